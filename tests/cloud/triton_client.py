"""The unmodified tritonclient against a server. In: the server's address, the file of digit cases. Out: one line of JSON
with what the client saw; an exception where it fails. The one decision: the client's own calls only, no HTTP of ours."""
import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

address, cases_path = sys.argv[1:]
cases = json.load(open(cases_path))
client = triton.InferenceServerClient(address)


def infer(model, array, datatype, binary_in=True, binary_out=True, **options):
    tensor = triton.InferInput("x" if model != "digits" else "image", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary_in)
    name = "y" if model != "digits" else "probabilities"
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out)]
    return client.infer(model, [tensor], outputs=outputs, **options).as_numpy(name)


def refused(call):
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    raise AssertionError("nothing was refused")


images = np.array([case["image"] for case in cases["cases"]], np.float32).reshape(-1, 1, 8, 8) / cases["divideBy"]
expected = np.array([case["probabilities"] for case in cases["cases"]], np.float32)
worst = 0.0
for options in ({}, {"binary_in": False}, {"binary_out": False}, {"binary_in": False, "binary_out": False},
                {"model_version": "1"}, {"request_compression_algorithm": "gzip"}, {"request_compression_algorithm": "deflate"},
                {"response_compression_algorithm": "gzip"}):
    found = infer("digits", images, "FP32", **options)
    np.testing.assert_allclose(found, expected, rtol=cases["rtol"], atol=cases["atol"], err_msg=str(options))
    worst = max(worst, float(np.abs(found - expected).max()))

# All outputs, in whatever form the client prefers.
tensor = triton.InferInput("image", list(images.shape), "FP32")
tensor.set_data_from_numpy(images)
result = client.infer("digits", [tensor], request_id="seven")
np.testing.assert_allclose(result.as_numpy("probabilities"), expected, rtol=cases["rtol"], atol=cases["atol"])
response = result.get_response()

integers = np.array([-(2**63), 2**53 + 1, 2**63 - 1], np.int64)
words = np.array(["", "a", "zwei\n", "四"], np.object_)
halves = np.array([1, -2, 6e-8, 65504], np.float16)
truths = np.array([True, False, True])
echoes = 0
for model, array, datatype in (("echo", integers, "INT64"), ("words", words, "BYTES"), ("truths", truths, "BOOL")):
    for binary_in in (True, False):
        for binary_out in (True, False):
            found = infer(model, array, datatype, binary_in, binary_out)
            if datatype == "BYTES":
                found = np.array([w.decode() if isinstance(w, bytes) else str(w) for w in found.reshape(-1)], np.object_)
            np.testing.assert_array_equal(found, array)
            echoes += 1
np.testing.assert_array_equal(infer("halves", halves, "FP16"), halves)

pending = [client.async_infer("digits", [tensor]) for _ in range(8)]
for answer in pending:
    np.testing.assert_allclose(answer.get_result().as_numpy("probabilities"), expected, rtol=cases["rtol"], atol=cases["atol"])

print(json.dumps({
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": [client.is_model_ready("digits"), client.is_model_ready("digits", "1"), client.is_model_ready("nothing")],
    "server": client.get_server_metadata(),
    "metadata": client.get_model_metadata("digits"),
    "index": client.get_model_repository_index(),
    "id": response["id"],
    "source": response["parameters"]["source"],
    "worst": worst,
    "echoes": echoes,
    "refused": {
        "model": refused(lambda: client.get_model_metadata("nothing")),
        "shape": refused(lambda: infer("digits", images[:, :, :4], "FP32")),
        "type": refused(lambda: infer("echo", images.reshape(-1)[:1], "FP32")),
    },
}))
