"""The voice model's own answers for speech.flac, by ONNX Runtime: tests/cases/voice.json.

In: the model file of the npm package @ricky0123/vad-web (node_modules, after `npm ci`). Out: one
probability for each frame of 512 samples, with the 64 samples before it as context and the state carried.
The one decision: the same frames as the demo page makes, so that every number can be compared.
"""
import json
import pathlib

import numpy as np
import onnxruntime
import soundfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FRAME, CONTEXT, RATE = 512, 64, 16_000


def main():
    model = onnxruntime.InferenceSession(ROOT / "node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx",
                                         providers=["CPUExecutionProvider"])
    samples, rate = soundfile.read(HERE / "speech.flac", dtype="float32")
    assert rate == RATE
    samples = np.pad(samples, (0, -len(samples) % FRAME))
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32)
    found = []
    for frame in samples.reshape(-1, FRAME):
        feeds = {"input": np.concatenate([context, frame])[None], "state": state, "sr": np.array(RATE, np.int64)}
        output, state = model.run(["output", "stateN"], feeds)
        context = frame[-CONTEXT:]
        found.append(float(f"{output[0, 0]:.6g}"))
    rows = [", ".join(map(str, found[i : i + 12])) for i in range(0, len(found), 12)]
    head = json.dumps({"model": "silero-vad", "version": "5", "sound": "www/samples/speech.flac", "frame": FRAME,
                       "context": CONTEXT, "reference": f"onnxruntime {onnxruntime.__version__} CPU", "atol": 2e-3}, indent=1)
    (ROOT / "tests/cases/voice.json").write_text(head[:-2] + ',\n "probabilities": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n")


if __name__ == "__main__":
    main()
