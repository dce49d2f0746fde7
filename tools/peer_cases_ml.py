"""ai.onnx.ml: models that skl2onnx exports, and nodes for what it never writes."""
import numpy as np
from onnx import TensorProto as T, helper
from skl2onnx import to_onnx
from sklearn import ensemble, linear_model, pipeline, preprocessing, svm, tree

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 5)).astype(np.float32)


def one(op, inputs, outputs, types, opset=3, **attrs):
    names = [f"x{i}" for i in range(len(inputs))]
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, domain="ai.onnx.ml", **attrs)
    g = helper.make_graph([node], op, [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype) if x.dtype.kind not in "OU" else T.STRING, x.shape) for n, x in zip(names, inputs)],
                          [helper.make_tensor_value_info(o, t, None) for o, t in zip(outs, types)])
    return helper.make_model(g, opset_imports=[helper.make_opsetid("ai.onnx.ml", opset), helper.make_opsetid("", 21)], ir_version=10)


def sklearn_models():
    y2, y3 = (X[:, 0] + X[:, 1] > 0).astype(int), np.digitize(X[:, 0] + 0.3 * X[:, 2], [-0.5, 0.5])
    text = np.array(["a", "b", "c"])[y3]
    real = X[:, 0] * 2 + np.sin(X[:, 1])
    for label, y in (("2", y2), ("3", y3), ("text", text)):
        yield f"logistic_{label}", linear_model.LogisticRegression(), y
        yield f"ridge_{label}", linear_model.RidgeClassifier(), y
        yield f"linear_svc_{label}", svm.LinearSVC(), y
        yield f"tree_{label}", tree.DecisionTreeClassifier(max_depth=4), y
        yield f"forest_{label}", ensemble.RandomForestClassifier(8, max_depth=4), y
        yield f"extra_{label}", ensemble.ExtraTreesClassifier(5, max_depth=4), y
        yield f"boosting_{label}", ensemble.GradientBoostingClassifier(n_estimators=6), y
        for k in ("linear", "poly", "rbf", "sigmoid"):
            yield f"svc_{k}_{label}", svm.SVC(kernel=k), y
        yield f"svc_probability_{label}", svm.SVC(probability=True), y
        yield f"sgd_{label}", linear_model.SGDClassifier(loss="log_loss"), y
    yield "one_class", svm.OneClassSVM(gamma=0.3), None
    for name, m in (("linear", linear_model.LinearRegression()), ("ridge", linear_model.Ridge()), ("svr", svm.SVR()), ("svr_poly", svm.SVR(kernel="poly")), ("nu_svr", svm.NuSVR()),
                    ("tree", tree.DecisionTreeRegressor(max_depth=4)), ("forest", ensemble.RandomForestRegressor(6, max_depth=4)), ("boosting", ensemble.GradientBoostingRegressor(n_estimators=6))):
        yield "regress_" + name, m, real
    yield "regress_two_targets", ensemble.RandomForestRegressor(4, max_depth=3), np.stack([real, -real], 1)
    yield "isolation", ensemble.IsolationForest(n_estimators=4), None
    for name, m in (("standard", preprocessing.StandardScaler()), ("minmax", preprocessing.MinMaxScaler()), ("robust", preprocessing.RobustScaler()), ("l1", preprocessing.Normalizer("l1")),
                    ("l2", preprocessing.Normalizer("l2")), ("binarizer", preprocessing.Binarizer(threshold=0.2)), ("kbins", preprocessing.KBinsDiscretizer(3, encode="onehot-dense")),
                    ("poly", preprocessing.PolynomialFeatures(2)), ("quantile", preprocessing.QuantileTransformer(n_quantiles=10))):
        yield "prepare_" + name, m, None
    yield "pipeline", pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()), y3


def cases():
    for name, m, y in sklearn_models():
        m.fit(X, y) if y is not None else m.fit(X)
        for opset in (3, 1):
            try:
                options = {id(m): {"zipmap": False}} if hasattr(m, "predict_proba") or hasattr(m, "decision_function") and y is not None and not name.startswith("regress") else None
                try:
                    model = to_onnx(m, X[:1], options=options, target_opset={"": 17, "ai.onnx.ml": opset})
                except NameError:
                    model = to_onnx(m, X[:1], target_opset={"": 17, "ai.onnx.ml": opset})
            except Exception:
                try:
                    model = to_onnx(m, X[:1], target_opset={"": 17, "ai.onnx.ml": opset})
                except Exception as e:
                    print(f"skl2onnx does not export {name}: {str(e)[:80]}")
                    continue
            if any(o.type.HasField("sequence_type") for o in model.graph.output):
                continue
            yield f"{name}_ml{opset}", model, [X[:20]]
    x = rng.normal(size=(6, 3)).astype(np.float32)
    F = T.FLOAT
    for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"):
        # onnxruntime leaves out transforms of single scores; there onnx's own evaluator is the peer
        tol, ref = {"rtol": 1e-3, "atol": 1e-4}, {"rtol": 1e-3, "atol": 1e-4, "peer": "reference"}
        small = (0.05 * x + 0.4).astype(np.float32) if post == "PROBIT" else x
        w3 = (np.abs(rng.normal(size=9)) * (0.3 if post == "PROBIT" else 1)).tolist()
        yield f"linear_classifier_3_{post}", one("LinearClassifier", [small], 2, [T.INT64, F], coefficients=w3, intercepts=[0.0, 0.1, 0.0], classlabels_ints=[5, 6, 7], post_transform=post), [small], tol
        for labels in ([3, 9], [1], None):
            attrs = dict(classlabels_ints=labels) if labels else {}
            yield f"linear_classifier_one_score_{len(labels or [])}_{post}", one("LinearClassifier", [small], 2, [T.INT64, F], coefficients=[0.3, 0.2, 0.4], intercepts=[0.05], post_transform=post, **attrs), [small], ref
        yield f"linear_classifier_text_{post}", one("LinearClassifier", [small], 2, [T.STRING, F], coefficients=[0.3, 0.2, 0.4], intercepts=[0.05], post_transform=post, classlabels_strings=["no", "yes"]), [small], ref
        yield f"linear_regressor_{post}", one("LinearRegressor", [small], 1, [F], coefficients=[0.3, 0.2, 0.4, 0.1, 0.2, 0.1], intercepts=[0.05, 0.1], targets=2, post_transform=post), [small], tol
        stump = dict(nodes_treeids=[0, 0, 0, 1, 1, 1], nodes_nodeids=[0, 1, 2, 0, 1, 2], nodes_featureids=[0, 0, 0, 1, 0, 0], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
                     nodes_truenodeids=[1, 0, 0, 1, 0, 0], nodes_falsenodeids=[2, 0, 0, 2, 0, 0], nodes_values=[0.4, 0, 0, 0.4, 0, 0], post_transform=post)
        for sign in ("positive", "mixed"):
            if sign == "mixed" and post == "PROBIT":
                continue  # of scores outside [0, 1]
            w = [0.1, 0.3, 0.2, 0.45] if sign == "positive" else [-0.3, 0.3, 0.2, -0.1]
            if sign == "mixed" or not post.startswith("SOFTMAX"):  # the peers disagree on the label
              yield f"tree_classifier_one_id_{sign}_{post}", one("TreeEnsembleClassifier", [small], 2, [T.INT64, F], class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2], class_ids=[0] * 4, class_weights=w, classlabels_int64s=[0, 1], **stump), [small], tol if post in ("NONE", "LOGISTIC") else ref
            if post != "PROBIT":
              yield f"tree_classifier_two_ids_{sign}_{post}", one("TreeEnsembleClassifier", [small], 2, [T.INT64, F], class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2], class_ids=[0, 1, 0, 1], class_weights=w, classlabels_int64s=[0, 1], **stump), [small], ref
            yield f"tree_classifier_base_{sign}_{post}", one("TreeEnsembleClassifier", [small], 2, [T.INT64, F], class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2], class_ids=[0] * 4, class_weights=w, base_values=[0.12], classlabels_int64s=[0, 1], **stump), [small], tol if post in ("NONE", "LOGISTIC") else ref
            yield f"tree_classifier_three_{sign}_{post}", one("TreeEnsembleClassifier", [small], 2, [T.STRING, F], class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2], class_ids=[0, 1, 2, 1], class_weights=w, base_values=[0.1, 0.2, 0.1], classlabels_strings=["a", "b", "c"], **stump), [small], tol
        for how in ("SUM", "AVERAGE", "MIN", "MAX"):
            yield f"tree_regressor_{how}_{post}", one("TreeEnsembleRegressor", [small], 1, [F], target_treeids=[0, 0, 1, 1], target_nodeids=[1, 2, 1, 2], target_ids=[0, 1, 0, 1], target_weights=[0.1, 0.3, 0.2, 0.4], n_targets=2, aggregate_function=how, **stump), [small], tol
            if post == "NONE":
              yield f"tree_regressor_one_{how}_{post}", one("TreeEnsembleRegressor", [small], 1, [F], target_treeids=[0, 0, 1, 1], target_nodeids=[1, 2, 1, 2], target_ids=[0] * 4, target_weights=[0.1, 0.3, 0.2, 0.4], n_targets=1, base_values=[0.2], aggregate_function=how, **stump), [small], tol
    nan = x.copy()
    nan[1, 0] = nan[3, 2] = np.nan
    nan[4] = 0
    for n in ("MAX", "L1", "L2"):
        yield "normalizer_" + n, one("Normalizer", [x], 1, [F], norm=n), [x]
    yield "scaler", one("Scaler", [x], 1, [F], scale=[1.0, 2.0, 3.0], offset=[0.1, 0.2, 0.3]), [x]
    yield "scaler_1", one("Scaler", [x], 1, [F], scale=[2.0], offset=[0.1]), [x]
    yield "imputer", one("Imputer", [nan], 1, [F], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan")), [nan]
    i = np.array([[1, 0], [0, 3]], np.int64)
    yield "imputer_int", one("Imputer", [i], 1, [T.INT64], imputed_value_int64s=[7], replaced_value_int64=0), [i]
    yield "binarizer", one("Binarizer", [x], 1, [F], threshold=0.3), [x]
    s = np.array([["a", "b"], ["zz", "c"]], object)
    yield "one_hot_text", one("OneHotEncoder", [s], 1, [F], cats_strings=["a", "b", "c"], zeros=1), [s]
    yield "one_hot_int", one("OneHotEncoder", [i], 1, [F], cats_int64s=[0, 1, 2, 3]), [i]
    yield "one_hot_float", one("OneHotEncoder", [np.abs(x) * 2], 1, [F], cats_int64s=[0, 1, 2, 3], zeros=1), [np.abs(x) * 2]
    yield "category_text", one("CategoryMapper", [s], 1, [T.INT64], cats_strings=["a", "b"], cats_int64s=[5, 6], default_int64=-3), [s]
    yield "category_int", one("CategoryMapper", [i], 1, [T.STRING], cats_strings=["a", "b"], cats_int64s=[1, 3], default_string="none"), [i]
    yield "label_text_float", one("LabelEncoder", [s], 1, [F], opset=2, keys_strings=["a", "b"], values_floats=[0.5, 1.5], default_float=9.0), [s]
    yield "label_float_text", one("LabelEncoder", [nan], 1, [T.STRING], opset=4, keys_floats=[float("nan"), 0.0], values_strings=["nan", "zero"], default_string="other"), [nan]
    yield "label_int_int", one("LabelEncoder", [i], 1, [T.INT64], opset=2, keys_int64s=[1, 3], values_int64s=[10, 30]), [i]
    yield "label_old_text", one("LabelEncoder", [s], 1, [T.INT64], opset=1, classes_strings=["b", "a"], default_int64=-7), [s]
    yield "label_old_int", one("LabelEncoder", [i], 1, [T.STRING], opset=1, classes_strings=["b", "a"], default_string="?"), [i]
    yield "feature_vectorizer", one("FeatureVectorizer", [x, x[:, :2]], 1, [F], inputdimensions=[3, 2]), [x, np.ascontiguousarray(x[:, :2])]
    at = np.array([2, 0], np.int64)
    yield "array_feature", one("ArrayFeatureExtractor", [x, at], 1, [F]), [x, at]
    yield "array_feature_1d", one("ArrayFeatureExtractor", [x[0], at], 1, [F]), [x[0], at]
    for k in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        for one_class in (0, 1):
            yield f"svm_regressor_{k}_{one_class}", one("SVMRegressor", [x], 1, [F], kernel_type=k, kernel_params=[0.3, 0.1, 2.0], n_supports=2, support_vectors=rng.normal(size=6).tolist(), coefficients=[0.4, -0.3], rho=[0.05], one_class=one_class), [x]
    yield "svm_classifier_linear", one("SVMClassifier", [x], 2, [T.INT64, F], coefficients=rng.normal(size=9).tolist(), rho=[0.05, 0.05, 0.05], classlabels_ints=[0, 1, 2], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0]), [x]
