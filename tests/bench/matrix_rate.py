"""TFLOP/s of large matrix products on the GPU, by the library that PyTorch calls: the rate that gpu.py compares a step with.

    matrix_rate.py --precision bf16|tf32|f32
"""
import argparse
import json
import statistics
import time

import torch

SIZE = 8192
SAMPLES, SECONDS = 7, 0.3  # of a sample


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", choices=("f32", "tf32", "bf16"), default="bf16")
    precision = parser.parse_args().precision
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(SIZE, SIZE, device="cuda", dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)

    def seconds_of(count):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            torch.matmul(a, b, out=out)
        torch.cuda.synchronize()
        return (time.perf_counter() - begin) / count

    seconds_of(3)
    count = max(1, int(SECONDS / seconds_of(3)))
    rate = 2 * SIZE**3 / statistics.median(seconds_of(count) for _ in range(SAMPLES))
    print(json.dumps({"tflops": rate / 1e12, "precision": precision, "size": SIZE, "gpu": torch.cuda.get_device_name()}))


if __name__ == "__main__":
    main()
