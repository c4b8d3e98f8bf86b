"""Makes older.json: node tests that ONNX Runtime's WebGPU list names and no archive of today holds.

`python make_older.py` (needs numpy, onnx, onnxruntime). They were node tests of onnx 1.2 to 1.10; those whose names
ONNX Runtime writes with a set of operators (`opset{7,8,9}/…`) keep that name, and are of the last of them. The answers
are ONNX Runtime's."""
import numpy as np
from onnx import helper

from case import case, model, write

rng = np.random.default_rng(23)
CASES = []


def random(*shape):
    return rng.random(shape).astype(np.float32)


def older(name, version, op, feeds, outputs=1, order=None, **attributes):
    names = [f"output_{at + 1}" for at in range(outputs)]
    node = helper.make_node(op, list(feeds) if order is None else order, names, **attributes)
    CASES.append(case(name, model([node], feeds, {}, names, version), feeds, 1e-3, 1e-7))


def layouts():
    depth = random(2, 8, 3, 3)
    older("test_depthtospace", 1, "DepthToSpace", {"x": depth}, blocksize=2)
    older("test_depthtospace_dcr_mode", 11, "DepthToSpace", {"x": depth}, blocksize=2, mode="DCR")
    older("test_depthtospace_crd_mode", 11, "DepthToSpace", {"x": depth}, blocksize=2, mode="CRD")
    older("test_reshape_reordered_dims", 5, "Reshape", {"data": random(2, 3, 4), "shape": np.array([4, 2, 3])})
    older("test_unsqueeze", 1, "Unsqueeze", {"x": random(3, 4, 5)}, axes=[0, 4])
    older("test_unsqueeze_axis_3", 11, "Unsqueeze", {"x": random(3, 4, 5)}, axes=[3])


def splits():
    line, table = np.arange(1, 7, dtype=np.float32), np.arange(1, 13, dtype=np.float32).reshape(2, 6)
    older("test_split_equal_parts_1d", 2, "Split", {"input": line}, 3, axis=0)
    older("test_split_equal_parts_default_axis", 2, "Split", {"input": line}, 3)
    older("test_split_variable_parts_1d", 2, "Split", {"input": line}, 2, axis=0, split=[2, 4])
    older("test_split_variable_parts_2d", 11, "Split", {"input": table}, 2, axis=1, split=[2, 4])
    older("test_split_variable_parts_default_axis", 11, "Split", {"input": line}, 2, split=[2, 4])
    older("test_split_zero_size_splits", 11, "Split", {"input": np.zeros(0, np.float32)}, 3, split=[0, 0, 0])


def products():
    scaled = {"alpha": 0.5, "beta": 0.5}
    older("test_gemm_nobroadcast", 7, "Gemm", {"a": random(3, 6), "b": random(6, 4), "c": random(3, 4)}, **scaled)
    transposed = {"a": random(6, 3), "b": random(4, 6), "c": random(1, 1)}
    older("test_gemm_broadcast", 9, "Gemm", transposed, transA=1, transB=1, **scaled)
    x, w = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), np.ones((1, 2, 3, 3), np.float32)
    shaped = {"strides": [3, 2], "output_shape": [10, 8]}
    older("test_convtranspose_with_kernel", 8, "ConvTranspose", {"x": x, "w": w}, kernel_shape=[3, 3], output_padding=[1, 1], **shaped)
    older("opset{9,17}/test_convtranspose_output_shape", 9, "ConvTranspose", {"x": x, "w": w}, **shaped)


def sums():
    older("test_reduce_log_sum", 7, "ReduceLogSum", {"data": random(3, 4, 5)})
    data = {"data": random(3, 2, 2) * 20 - 10, "axes": np.zeros(0, np.int64)}
    older("test_reduce_sum_empty_axes_input_noop_random", 13, "ReduceSum", data, keepdims=1, noop_with_empty_axes=1)
    examples = {"example": np.array([[[5, 1], [20, 2]], [[30, 1], [40, 2]], [[55, 1], [60, 2]]], np.float32),
                "random": random(3, 2, 2) * 20 - 10}
    for which, data in examples.items():
        data = {"data": data}
        older(f"opset{{7,8,9}}/test_reduce_log_sum_exp_default_axes_keepdims_{which}", 9, "ReduceLogSumExp", data, keepdims=1)
        older(f"opset{{7,8,9}}/test_reduce_log_sum_exp_do_not_keepdims_{which}", 9, "ReduceLogSumExp", data, axes=[1], keepdims=0)
        older(f"opset{{7,8,9}}/test_reduce_log_sum_exp_keepdims_{which}", 9, "ReduceLogSumExp", data, axes=[1], keepdims=1)
        older(f"opset11/test_reduce_log_sum_exp_negative_axes_keepdims_{which}", 11, "ReduceLogSumExp", data, axes=[-2], keepdims=1)


def resizes():
    square = np.array([[[[1, 2], [3, 4]]]], np.float32)
    wide = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 2, 4)
    large = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
    for name, image, across, mode in [
        ("nearest", square, (2, 3), "nearest"), ("upsample_nearest", square, (2, 3), "nearest"), ("upsample_linear", square, (2, 2), "linear"),
        ("downsample_nearest", wide, (0.6, 0.6), "nearest"), ("downsample_linear", wide, (0.6, 0.6), "linear"),
    ]:
        older(f"test_resize_{name}", 10, "Resize", {"X": image, "scales": np.array([1, 1, *across], np.float32)}, mode=mode)
    kept = "opset{12,13,17,18}/test_resize_upsample_sizes_nearest"
    for name, version, image, to, more in [
        ("test_resize_downsample_sizes_nearest_tf_half_pixel_for_nn", 11, large, (3, 2), {"coordinate_transformation_mode": "tf_half_pixel_for_nn"}),
        (f"{kept}_ceil_half_pixel", 12, large, (8, 8), {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "ceil"}),
        (f"{kept}_floor_align_corners", 12, large, (8, 8), {"coordinate_transformation_mode": "align_corners", "nearest_mode": "floor"}),
        (f"{kept}_round_prefer_ceil_asymmetric", 12, large, (8, 8), {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "round_prefer_ceil"}),
    ]:
        feeds = {"X": image, "roi": np.zeros(0, np.float32), "scales": np.zeros(0, np.float32), "sizes": np.array([1, 1, *to])}
        older(name, version, "Resize", feeds, mode="nearest", **more)


for family in (layouts, splits, products, sums, resizes):
    family()
write("older", CASES)
