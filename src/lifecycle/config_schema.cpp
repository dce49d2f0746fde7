// The keys of saha.yaml: one table from which come the reader's types and defaults, its messages, the JSON schema and docs/saha-yaml.md.
#include "lifecycle/config.hpp"
#include "validate/requirement.hpp"

namespace saha::lifecycle {
using yaml::Required;
using yaml::Schema;

namespace {
Schema data_set() {
  Schema words = Schema::one_of({Schema::text(), Schema::list(Schema::text())});
  return Schema::one_of({Schema::text(), Schema::map("a data set", {
      {"folder", Schema::text(), "root/<class>/*.{jpg,png,bmp,wav,npy}"},
      {"csv", Schema::text(), "a row a sample"},
      {"root", Schema::text(), "folder of the files named in the csv"},
      {"file", Schema::text(), "column with the file", Required::no, "file"},
      {"label", Schema::text(), "column with the label", Required::no, "label"},
      {"accepted", Schema::text(), "column with other right answers", Required::no, "accepted"},
      {"features", Schema::list(Schema::text()), "columns of a table that the network takes"},
      {"target", Schema::text(), "column of a table that is to be predicted"},
      {"missing", words, "words that mean: no value"},
      {"npz", Schema::text(), "one .npz keyed as the inputs; labels in y, or masks [N, height, width]"},
      {"npy", Schema::names(Schema::text()), "{x: x.npy, y: y.npy}"},
      {"idx", Schema::map("an idx pair", {{"images", Schema::text(), "t10k-images-idx3-ubyte.gz", Required::yes}, {"labels", Schema::text(), "t10k-labels-idx1-ubyte.gz", Required::yes}}), "MNIST's own form"},
      {"from", Schema::choice({"train", "val"}), "calibration: the set it is taken from"},
      {"take", Schema::integer(1), "so many samples, chosen by the seed"},
      {"seed", Schema::integer(0), "of the choice", Required::no, "0"},
      {"where", Schema::text(), "a condition on columns: label != other"},
  })});
}
}  // namespace

Schema config_schema() {
  Schema texts = Schema::list(Schema::text()), forms = Schema::list(Schema::choice({"onnx", "tflite", "openvino", "saha"}));
  return Schema::map("saha.yaml", {
      {"saha", Schema::integer(1, 1), "format version", Required::yes},
      {"name", Schema::text(), "of the project; default: its folder"},
      {"extends", texts, "files read before this one"},
      {"model", validate::model_section(), "the network's file, inputs, outputs and labels"},
      {"data", Schema::map("the data section", {
          {"kind", Schema::choice({"images", "audio", "table", "arrays"}), "what the samples are; default: from the files"},
          {"train", data_set(), "samples to train on"},
          {"val", data_set(), "samples to choose by"},
          {"test", data_set(), "samples that only requirements see"},
          {"calibration", data_set(), "samples that quantisation sees; never overlaps test"},
          {"sets", Schema::names(data_set()), "further sets by name, which requirements may speak of: strange inputs, another site"},
          {"split", Schema::map("the split", {
              {"test", Schema::fraction(), "share of train that becomes test"},
              {"val", Schema::fraction(), "share of train that becomes val"},
              {"stratify", Schema::text(), "column, or label: each part has its share of each value"},
              {"group", Schema::text(), "column whose values never straddle two parts"},
              {"seed", Schema::integer(0), "of the choice", Required::no, "0"},
          }).with_one_of({"test", "val"}), "cuts train into parts, each in train's layout (arrays: an npz)"},
          {"slices", texts, "columns to break results down by"},
          {"skip_bad", Schema::fraction(), "share of samples that may be unreadable", Required::no, "0"},
      }), "data sets"},
      {"train", Schema::map("the train section", {
          {"command", Schema::one_of({Schema::text(), texts}), "leaves the model at {model}; a text is for /bin/sh, a list is executed as it is", Required::yes},
          {"inputs", texts, "files whose change trains anew"},
          {"env", texts, "variables that pass"},
          {"timeout", Schema::duration(), "the most time"},
          {"retries", Schema::integer(0, 100), "further tries", Required::no, "0"},
          {"always", Schema::boolean(), "train each time", Required::no, "false"},
      }), "how the model is made"},
      {"simplify", Schema::map("the simplify section", {
          {"without", texts, "passes that are left out"},
          {"fold_limit", Schema::size(), "largest constant that folding makes", Required::no, "1 MiB"},
      }), "passes over the graph"},
      {"compress", Schema::names(Schema::list(Schema::map("a step", {
          {"quantize", Schema::map("the step quantize", {
              {"scheme", Schema::choice({"static", "dynamic", "weights"}), "static: calibrated int8 and int16, or fp16 and bf16 throughout; dynamic: int8, ranges found in each run; weights: only these take fewer bits", Required::no, "static"},
              {"to", Schema::choice({"int8", "int16", "int4", "fp16", "bf16"}), "what operands, or the weights, are stored as", Required::no, "int8"},
              {"floor", Schema::text(), "what may be lost: 0.5 pp of accuracy on val, or the SQNR of the outputs that must remain: 30 dB"},
              {"calibrate", Schema::choice({"auto", "mse", "minmax", "percentile", "entropy"}), "how ranges are found", Required::no, "auto"},
              {"samples", Schema::integer(1, 1'000'000), "samples of calibration, else train, at most", Required::no, "500"},
              {"keep", texts, "layers that stay float"},
              {"without", Schema::list(Schema::choice({"equalisation", "rounding", "correction", "channels"})), "steps that are left out"},
          }), "post-training quantisation (docs/quantize.md)", Required::yes},
      }))), "candidates in fewer bits by name, beside float32; each a list of one step"},
      {"evaluate", Schema::names(Schema::map("a metric", {
          {"python", Schema::text(), "module:function beside this file, called as f(outputs, labels): a number, or one a sample, which gives bounds and slices"},
          {"command", Schema::one_of({Schema::text(), texts}), "gets {outputs} (.npz) and {labels} (.npy), prints {\"value\": .., \"per_sample\": [..]}"},
          {"inputs", texts, "files whose change computes it anew, beside the module or those in the command"},
          {"better", Schema::choice({"higher", "lower"}), "which way is better", Required::no, "higher"},
          {"unit", Schema::text(), "of the value; %: it is a share from 0 to 1"},
          {"timeout", Schema::duration(), "the most time"},
      }).with_one_of({"python", "command"}, true)), "own metrics of the test set by name; the name works in requirements"},
      {"require", texts, "*.req.yaml files and single assertions"},
      {"targets", Schema::names(Schema::one_of({Schema::text(), Schema::map("a target", {
          {"target", Schema::choice({"host"}), "what it is", Required::no, "host"},
          {"threads", Schema::integer(0, 1024), "0: the physical cores that are allowed", Required::no, "0"},
          {"backends", texts, "engines; default: all that are here"},
          {"require", texts, "assertions for this target only"},
      })})), "where the model shall run"},
      {"choose", Schema::map("the choose section", {
          {"minimize", Schema::text(), "p90(latency), p50(latency), size or peak(ram)", Required::no, "p90(latency)"},
          {"allow_inconclusive", Schema::boolean(), "an inconclusive must does not exclude", Required::no, "false"},
      }), "what decides"},
      {"package", Schema::names(Schema::one_of({forms, Schema::map("a package", {
          {"as", forms, "onnx, tflite, openvino, saha: a bundle; default: onnx"},
          {"fold", Schema::boolean(), "preprocessing becomes part of the model, as far as it can: docs/preprocess.md", Required::no, "false"},
          {"raw", Schema::text(), "what is folded for: 480x640, a picture; any; 1x16000@16kHz, sound; default: what the steps and the model tell"},
      })})), "what is delivered for each target: the model as ONNX, TensorFlow Lite, OpenVINO IR, or a bundle; manifest.json always"},
      {"run", Schema::map("the run section", {
          {"dir", Schema::text(), "where results are kept", Required::no, ".saha"},
          {"seed", Schema::integer(0), "of everything random", Required::no, "0"},
          {"keep_going", Schema::boolean(), "go on with other candidates after a failure", Required::no, "false"},
      }), "how it runs"},
      {"report", Schema::map("the report section", {
          {"dir", Schema::text(), "where the report is written", Required::no, "report"},
          {"title", Schema::text(), "its heading"},
          {"samples", Schema::one_of({Schema::boolean(), Schema::integer(0, 40)}), "pictures that are embedded at most", Required::no, "40"},
      }), "the report"},
  }).with_one_of({"model", "train"});
}

}  // namespace saha::lifecycle
