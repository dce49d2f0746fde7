"""saha as a backend of ONNX: onnx.backend.base.Backend, which the ONNX backend tests and other tools drive."""
from onnx.backend.base import Backend, BackendRep

import saha


class SahaRep(BackendRep):
    def __init__(self, model):
        self.model = model

    def run(self, inputs, **kwargs):
        """Inputs and outputs in the model's order."""
        if isinstance(inputs, dict):
            return tuple(self.model.run(inputs).values())
        return tuple(self.model.run(inputs if isinstance(inputs, (list, tuple)) else [inputs]).values())


class SahaBackend(Backend):
    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        if not cls.supports_device(device):
            raise saha.Error("unsupported", f"there is no device '{device}'", "CPU is what saha runs on")
        return SahaRep(saha.load(model))

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        if not cls.supports_device(device):
            return False
        try:
            saha.load(model)
        except saha.Error:
            return False
        return True

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        raise saha.Error("unsupported", "a node alone has no opset; put it into a model and call run_model")

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"


prepare = SahaBackend.prepare
run_model = SahaBackend.run_model
run_node = SahaBackend.run_node
is_compatible = SahaBackend.is_compatible
supports_device = SahaBackend.supports_device
