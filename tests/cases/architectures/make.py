"""Makes models.tar.gz and cases.json: networks of common architectures, without their weights, and ONNX Runtime's answers.

A model's weights are named as external data: places in files of random numbers that tests/lib/architectures.mjs makes
anew (`pool`). So a network of megabytes takes a few thousand bytes here. Inputs are made by a rule too (`fed`).
Run it in an environment with tests/requirements.txt: python make.py
"""
import io
import json
import tarfile
import tempfile
from pathlib import Path

import classifiers, exporters, images, sequences  # noqa: F401  (they register their networks)
import numpy as np
import onnx
import onnxruntime
from builder import NETWORKS
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

HERE = Path(__file__).parent
#: Numbers of a pool, and its scales: each is a file `weights<index>.bin`; the last is around one, for what multiplies.
COUNT = 1 << 20
SCALES = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]
ROOM = 64
OPEN = {"batch": 2, "unk__0": 1, "length": 9}

DYNAMIC = {"berttiny": {}, "vit": {}, "lstm": {}, "bertmini64": {"per_channel": True}}
STATIC = {
    "berttiny_qdq": ("berttiny", QuantFormat.QDQ, False, QuantType.QInt8),
    "bertmini64_qop": ("bertmini64", QuantFormat.QOperator, False, QuantType.QUInt8),
    "vit_qdq": ("vit", QuantFormat.QDQ, False, QuantType.QUInt8),
    "mobilenetv2_qdq": ("mobilenetv2", QuantFormat.QDQ, True, QuantType.QUInt8),
    "mobilenetv2_qop": ("mobilenetv2", QuantFormat.QOperator, False, QuantType.QUInt8),
    "mobilenetv3_qdq": ("mobilenetv3", QuantFormat.QDQ, False, QuantType.QUInt8),
    "efficientnet_qdq": ("efficientnet", QuantFormat.QDQ, False, QuantType.QUInt8),
    "resnet18_qdq": ("resnet18", QuantFormat.QDQ, True, QuantType.QInt8),
    "unet_qdq": ("unet", QuantFormat.QDQ, False, QuantType.QInt8),
    "wav2vec_qdq": ("wav2vec", QuantFormat.QDQ, False, QuantType.QUInt8),
}


def random(count):
    """The top 24 bits of a linear congruential generator's states, as fractions (Numerical Recipes' constants)."""
    out = np.empty(count, np.float64)
    state = 1
    for index in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        out[index] = (state >> 8) / 2**24
    return out


POOL = random(COUNT)


def pool(index):
    if index == len(SCALES):
        return (0.9 + 0.2 * POOL).astype(np.float32)
    return ((POOL - 0.5) * (SCALES[index] * 12**0.5)).astype(np.float32)


def pool_of_bytes():
    return np.tile(np.floor(POOL * 256).astype(np.uint8), 4)


def fed(index, dtype, dims):
    """Input number `index`: small whole numbers, or a part of the pool."""
    count = int(np.prod(dims))
    if dtype == "float32":
        return (POOL[(np.arange(count) + 1000 * index) % COUNT] * 2 - 1).astype(np.float32).reshape(dims)
    return (np.arange(count) % (2 if index else 7)).astype(dtype).reshape(dims)


def without_weights(model):
    for number, tensor in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.size <= ROOM or array.dtype not in (np.float32, np.int8, np.uint8):
            continue
        if array.size > COUNT * 3 // 4:
            raise ValueError(f"{model.graph.name}: {tensor.name} has {array.size} elements")
        if array.dtype == np.float32:
            around_one = abs(float(array.mean()) - 1) < 0.3
            scale = len(SCALES) if around_one else int(np.argmin([abs(np.log(float(array.std()) + 1e-9) - np.log(s)) for s in SCALES]))
            place, width, room = f"weights{scale}.bin", 4, COUNT
        else:
            place, width, room = "bytes.bin", 1, 4 * COUNT
        # All over the file: who names little of it many times is refused.
        offset = (number * 65537 * 4) % (room - array.size)
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.ClearField("int32_data")
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in {"location": place, "offset": offset * width, "length": array.size * width}.items():
            tensor.external_data.add(key=key, value=str(value))
    return model


class Calibration:
    def __init__(self, file):
        self.left = [inputs_of(file) for _ in range(2)]

    def get_next(self):
        return self.left.pop() if self.left else None


def inputs_of(file):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(int64)": "int64"}
    return {
        each.name: fed(index, kinds[each.type], [dim if isinstance(dim, int) else OPEN[dim] for dim in each.shape])
        for index, each in enumerate(session.get_inputs())
    }


def networks(folder):
    """name -> model, the quantised ones after what they are made of."""
    for name, build in NETWORKS.items():
        made = build()
        onnx.save(made, folder / f"{name}.onnx")
        yield name, made
    for name, options in DYNAMIC.items():
        quantize_dynamic(folder / f"{name}.onnx", folder / f"{name}_dyn.onnx", weight_type=QuantType.QInt8, **options)
        yield f"{name}_dyn", onnx.load(folder / f"{name}_dyn.onnx")
    for name, (of, form, per_channel, activations) in STATIC.items():
        source = str(folder / f"{of}.onnx")
        quantize_static(source, folder / f"{name}.onnx", Calibration(source), quant_format=form, per_channel=per_channel,
                        activation_type=activations, weight_type=QuantType.QInt8)
        yield name, onnx.load(folder / f"{name}.onnx")


def answer(file):
    """Inputs by rule, and of each output its size and some of its values."""
    inputs = inputs_of(file)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    outputs = []
    for info, array in zip(session.get_outputs(), session.run(None, inputs)):
        flat = array.reshape(-1).astype(np.float64)
        step = max(1, flat.size // 24)
        span = float(flat.max() - flat.min()) if flat.size else 0.0
        outputs.append({"name": info.name, "dims": list(array.shape), "step": step, "span": span, "values": [float(v) for v in flat[::step]]})
    return {"inputs": {name: {"type": array.dtype.name, "dims": list(array.shape)} for name, array in inputs.items()}, "outputs": outputs}


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for index in range(len(SCALES) + 1):
            pool(index).tofile(folder / f"weights{index}.bin")
        pool_of_bytes().tofile(folder / "bytes.bin")
        cases, files = [], []
        for name, made in networks(folder):
            data = without_weights(made).SerializeToString()
            (folder / "skeleton.onnx").write_bytes(data)
            cases.append({"name": name, **answer(str(folder / "skeleton.onnx"))})
            files.append((name, data))
            print(f"{name}: {len(data)} bytes", flush=True)
        with tarfile.open(HERE / "models.tar.gz", "w:gz", compresslevel=9) as archive:
            for name, data in files:
                info = tarfile.TarInfo(f"{name}.onnx")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    (HERE / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


main()
