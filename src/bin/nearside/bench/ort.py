"""onnxruntime for `nearside bench --vs-ort`: one JSON line in, one JSON line out, one thread."""
import json
import sys
import time


def main():
    job = json.loads(sys.stdin.readline())
    try:
        import numpy
        import onnxruntime
    except ImportError as error:
        return say(error=f"{error}; `{sys.executable} -m pip install onnxruntime` installs both")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3

    def create():
        return onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])

    def clocked(call):
        since = time.perf_counter()
        value = call()
        return (time.perf_counter() - since) * 1e3, value

    try:
        with numpy.load(job["inputs"], allow_pickle=False) as arrays:
            feeds = {name: arrays[str(at)] for at, name in enumerate(job["feeds"])}
        session = create()
        results = session.run(job["fetches"], feeds)
        given = {str(at): value for at, value in enumerate(results) if isinstance(value, numpy.ndarray) and value.dtype != object}
        numpy.savez(job["outputs"], **given)
        say(version=onnxruntime.__version__, given=sorted(given, key=int))
        for line in sys.stdin:
            if line.strip() == "create":
                made, fresh = clocked(create)
                first, _ = clocked(lambda: fresh.run(job["fetches"], feeds))
                say(create=made, first=first)
            else:
                say(run=clocked(lambda: session.run(job["fetches"], feeds))[0])
    except Exception as error:  # whatever it is, the other end tells it
        say(error=str(error).splitlines()[0])


def say(**answer):
    print(json.dumps(answer), flush=True)


main()
