"""Makes far.json: numbers far from zero, whose exponentials are too large or too small for float32: `python make_far.py`."""
import numpy as np

from case import write
from make_forms import CASES, f32, one

NEAR = dict(rtol=2e-6, atol=1e-6)
ROWS = np.array([[330, 1, -5], [1e38, 3e38, 1], [-1000, -1001, -999], [1e-30, 1e-30, 1e-30], [1e20, -1e20, 1], [-np.inf, 5, 60]], np.float32)


def logarithms():
    far = np.array([-1e30, -1000, -104, -87.5, -20, -1, 0, 1, 20, 79.5, 80.5, 88, 89, 104, 1000, 1e30, np.inf, -np.inf, np.nan], np.float32)
    one("Softplus_far", "Softplus", {"x": far}, **NEAR)
    one("Softplus_far_constant", "Softplus", {}, order=["x"], constants={"x": far}, **NEAR)
    for opset in (11, 13, 18):
        for axis in (-1, 0):
            one(f"LogSoftmax_far_{opset}_axis_{axis}", "LogSoftmax", {"x": ROWS}, {"axis": axis}, opset=opset, **NEAR)
    one("LogSoftmax_long", "LogSoftmax", {"x": 60 * f32(2, 3, 41)}, {"axis": 2}, **NEAR)
    one("LogSoftmax_planes", "LogSoftmax", {"x": 60 * f32(2, 5, 3, 4)}, {"axis": 1}, **NEAR)
    one("LogSoftmax_half", "LogSoftmax", {"x": (40 * f32(3, 9)).astype(np.float16)}, {"axis": 1}, rtol=2e-3, atol=2e-2)
    hidden = np.vstack([ROWS, np.full((1, 3), -np.inf, np.float32)])
    for keep in (0, 1):
        one(f"ReduceLogSumExp_far_{keep}", "ReduceLogSumExp", {"x": hidden}, {"axes": [-1], "keepdims": keep}, opset=13, **NEAR)
        one(f"ReduceLogSumExp_far_input_{keep}", "ReduceLogSumExp", {"x": hidden}, {"keepdims": keep}, order=["x", "a"], constants={"a": np.array([1], np.int64)}, opset=18, **NEAR)
    one("ReduceLogSumExp_far_all", "ReduceLogSumExp", {"x": np.minimum(ROWS, 400)}, opset=18, **NEAR)
    four = 100 * f32(1, 3, 5, 7)
    one("ReduceLogSumExp_of_all_axes", "ReduceLogSumExp", {"x": four}, order=["x", "a"], constants={"a": np.array([3, 1, 2, 0], np.int64)}, opset=19, **NEAR)
    one("ReduceLogSumExp_half", "ReduceLogSumExp", {"x": (30 * f32(3, 9)).astype(np.float16)}, {"axes": [1]}, opset=13, rtol=2e-3, atol=2e-2)


def lowest_bits():
    """Of what an integer has no room for ONNX Runtime keeps the lowest bits."""
    x = np.array([-300.7, -129, -128, -1.5, -1, -0.5, 0, 0.5, 1.9, 127, 128, 200, 255, 256, 300, 40000], np.float32)
    for kind in (np.uint8, np.int8, np.uint16, np.int16, np.uint32):
        code = {np.uint8: 2, np.int8: 3, np.uint16: 4, np.int16: 5, np.uint32: 12}[kind]
        one(f"Cast_far_{kind.__name__}", "Cast", {"x": x}, {"to": code})
        one(f"Cast_far_{kind.__name__}_constant", "Cast", {}, {"to": code}, order=["x"], constants={"x": x})
    one("Cast_far_half", "Cast", {"x": x.astype(np.float16)}, {"to": 2})
    one("Cast_far_double", "Cast", {"x": x.astype(np.float64)}, {"to": 2})


if __name__ == "__main__":
    logarithms()
    lowest_bits()
    write("far", CASES)
