# SPDX-License-Identifier: Apache-2.0
"""How fast is graft's inference next to ONNX Runtime's and OpenVINO's, on the same networks?

    VENV/bin/python bench/peers/inference.py --build build/cpu [--models resnet50,...] [--batch 1,8] [--threads 1,2]
        [--dtype f32,bf16,int8] [--rounds 9] [--out FILE.jsonl]

graft writes each network with random weights and exports it as ONNX; the peers read that file. OpenVINO's int8 model is
made of it by NNCF. The three take turns in one run: in each round each times a few forwards, and its time in that round is
their median. Prints the median over the rounds and the ratio peer / graft round by round (above 1: graft is faster), as a
table and, with --out, a JSON line a setting. bf16 (for a processor with AVX512_BF16) and int8 compare with OpenVINO, and with graft's own f32.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import openvino

SIDE = {"inception_v3": 299}
MODELS = ["mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "inception_v3"]
ROUND_SECONDS = 0.25
PAUSE_SECONDS = 0.02  # the peers' idle threads spin for a while


class Graft:
    def __init__(self, build, files, batch, threads, dtype):
        environment = dict(os.environ, GOMP_SPINCOUNT="20000")  # as the command line program sets it
        self.process = subprocess.Popen(
            [build / "bench/bench_inference", files["graft"], "--batch", str(batch), "--threads", str(threads), "--dtype", dtype],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def run(self, times):
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class InProcess:
    def run(self, times):
        ms = []
        for _ in range(times):
            start = time.perf_counter()
            self.forward()
            ms.append(1e3 * (time.perf_counter() - start))
        return ms

    def close(self):
        pass


class OnnxRuntime(InProcess):
    def __init__(self, files, x, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(files["onnx"]), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        self.forward = lambda: session.run(None, {name: x})


class OpenVino(InProcess):
    def __init__(self, file, x, threads, precision):
        model = openvino.Core().read_model(str(file))
        model.reshape({model.inputs[0].get_any_name(): list(x.shape)})
        config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
        if precision != "int8":
            config["INFERENCE_PRECISION_HINT"] = precision
        request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
        request.set_input_tensor(openvino.Tensor(x))
        self.forward = request.infer


def quantise(files, side):
    """OpenVINO's int8 model: NNCF on random images; which values they have changes no time."""
    import nncf
    model = openvino.Core().read_model(str(files["onnx"]))
    model.reshape({model.inputs[0].get_any_name(): [1, 3, side, side]})
    rng = np.random.default_rng(0)
    images = [rng.standard_normal((1, 3, side, side)).astype(np.float32) for _ in range(4)]
    model = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    model.reshape({model.inputs[0].get_any_name(): [-1, 3, side, side]})
    openvino.save_model(model, str(files["int8"]), compress_to_fp16=False)


def make(build, name, folder, int8):
    files = {"graft": folder / f"{name}.graft", "onnx": folder / f"{name}.onnx", "int8": folder / f"{name}.xml"}
    side = SIDE.get(name, 224)
    if not files["onnx"].exists():
        subprocess.run([build / "bench/bench_random_model", name, files["graft"], "--side", str(side)], check=True)
        subprocess.run([build / "runtime/graft", "export", files["graft"], "--onnx", files["onnx"]], check=True,
                       stdout=subprocess.DEVNULL)
    if int8 and not files["int8"].exists():
        quantise(files, side)
    return files, side


def take_turns(contestants, rounds):
    """Milliseconds by name, one a round."""
    warm = {name: min(c.run(3)) for name, c in contestants.items()}
    ms = {name: [] for name in contestants}
    for i in range(rounds):
        names = list(contestants)
        for name in names[i % len(names):] + names[:i % len(names)]:
            time.sleep(PAUSE_SECONDS)
            times = max(3, round(ROUND_SECONDS * 1e3 / warm[name]))
            ms[name].append(statistics.median(contestants[name].run(times)))
    return ms


def compare(build, name, files, side, batch, threads, dtype, rounds):
    x = np.random.default_rng(1).standard_normal((batch, 3, side, side)).astype(np.float32)
    contestants = {"graft": Graft(build, files, batch, threads, dtype)}
    if dtype == "f32":
        contestants["onnxruntime"] = OnnxRuntime(files, x, threads)
        contestants["openvino"] = OpenVino(files["onnx"], x, threads, dtype)
    else:
        contestants["graft_f32"] = Graft(build, files, batch, threads, "f32")
        contestants["openvino"] = OpenVino(files["int8" if dtype == "int8" else "onnx"], x, threads, dtype)
    ms = take_turns(contestants, rounds)
    for c in contestants.values():
        c.close()
    line = {"model": name, "batch": batch, "threads": threads, "dtype": dtype, "rounds": rounds}
    for peer, times in ms.items():
        line[peer] = {"ms_p50": round(statistics.median(times), 4), "ms_min": round(min(times), 4)}
        if peer != "graft":
            ratios = [t / own for t, own in zip(times, ms["graft"])]
            line[peer]["ratio"] = [round(f(ratios), 3) for f in (min, statistics.median, max)]
    return line


def show(line):
    text = f"{line['model']:<14}{line['dtype']:<6}batch {line['batch']:<3}threads {line['threads']:<3}graft {line['graft']['ms_p50']:>9.2f} ms"
    for peer in ("onnxruntime", "openvino", "graft_f32"):
        if peer in line:
            least, middle, most = line[peer]["ratio"]
            text += f"   {peer} {line[peer]['ms_p50']:.2f} ms, {middle:.2f} ({least:.2f}-{most:.2f})"
    print(text, flush=True)


def main():
    numbers = lambda text: [int(n) for n in text.split(",")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--dtype", default="f32,int8")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--files", type=pathlib.Path, help="keep the models here, and take those that are there")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    print(f"onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__}; ratio = peer / graft, round by round", file=sys.stderr)
    dtypes = args.dtype.split(",")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.files or pathlib.Path(temporary)
        for name in args.models.split(","):
            files, side = make(args.build, name, folder, "int8" in dtypes)
            for dtype in dtypes:
                for batch in args.batch:
                    for threads in args.threads:
                        line = compare(args.build, name, files, side, batch, threads, dtype, args.rounds)
                        show(line)
                        if args.out:
                            with open(args.out, "a") as out:
                                out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
