#!/usr/bin/env python3
"""Golden values for the runtime's operators, from PyTorch in float64.

Each file is a safetensors file whose tensors are named CASE/TENSOR and whose
metadata maps CASE to a JSON object of attributes (stride, padding, ...).
Everything is computed in float64 and rounded once to float32 on writing, so a
correct float32 implementation differs only by its own rounding.

Layouts are PyTorch's: images N,C,H,W; conv weights O,I,kh,kw; transposed-conv
weights I,O,kh,kw; linear weights out,in. Class labels are stored as float32.

Tensor names in an operator case:
  x, w, b, t ...  inputs          y       the output
  dy              the cotangent fed to backward (absent for scalar losses)
  dx, dw, db ...  the gradients of sum(y * dy), or of the scalar loss

usage: make.py OUT_DIR [--seed N] [--only FILE]     needs: torch, numpy, safetensors

The committed files are of seed 7. To add an operator: a case here, then `make.py . --only FILE`, and a rule for its name in
tests/suite/support/operators.rs. `WGRAD_GOLDENS=DIR cargo test goldens` tries other seeds.
"""
import argparse, json, pathlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.numpy import save_file

torch.set_default_dtype(torch.float64)
torch.use_deterministic_algorithms(True)


class Book:
    """Collects the cases of one file."""

    def __init__(self):
        self.tensors, self.attrs = {}, {}

    def put(self, case, tensors, **attrs):
        self.attrs[case] = json.dumps(attrs)
        for name, value in tensors.items():
            array = value.detach().numpy() if torch.is_tensor(value) else np.asarray(value)
            self.tensors[f"{case}/{name}"] = np.ascontiguousarray(array.astype(np.float32))

    def op(self, case, fn, inputs, grads=None, **attrs):
        """Runs y = fn(**inputs) and backward; stores inputs, y, dy and gradients.

        Inputs are rounded to float32 first, so the stored ones are the ones used.
        """
        grads = list(inputs) if grads is None else grads
        live = {k: v.float().double().requires_grad_(k in grads) for k, v in inputs.items()}
        y = fn(**live)
        stored = dict(live, y=y)
        if y.dim() == 0:
            y.backward()
        else:
            dy = torch.randn_like(y).float().double()
            y.backward(dy)
            stored["dy"] = dy
        for k in grads:
            stored["d" + k] = live[k].grad
        self.put(case, stored, **attrs)

    def save(self, path):
        save_file(self.tensors, str(path), metadata=self.attrs)
        print(f"{path}: {len(self.attrs)} cases, {len(self.tensors)} tensors")


def rand(*shape):
    return torch.randn(*shape)


def linear_algebra():
    book = Book()
    for m, k, n in [(1, 1, 1), (3, 5, 2), (7, 13, 5), (16, 16, 16), (33, 129, 65), (64, 64, 64), (130, 31, 67)]:
        book.op(f"matmul_{m}x{k}x{n}", lambda x, w: x @ w, dict(x=rand(m, k), w=rand(k, n)))
    for batch, i, o in [(1, 2, 1), (5, 3, 4), (17, 37, 29), (32, 784, 10)]:
        book.op(f"linear_{batch}x{i}x{o}", lambda x, w, b: F.linear(x, w, b),
                dict(x=rand(batch, i), w=rand(o, i) / i ** 0.5, b=rand(o)))
    return book


def convolution():
    book = Book()
    cases = [  # n, ci, h, w, co, k, stride, padding
        (1, 1, 5, 5, 1, 3, 1, 1), (2, 3, 8, 7, 5, 3, 1, 1), (2, 4, 9, 9, 8, 5, 1, 2), (1, 3, 12, 10, 6, 9, 1, 4),
        (2, 6, 7, 5, 4, 1, 1, 0), (1, 4, 10, 11, 3, 3, 2, 1), (2, 2, 9, 8, 3, 3, 1, 0), (1, 16, 17, 19, 32, 3, 1, 1)]
    for n, ci, h, w, co, k, s, p in cases:
        book.op(f"conv2d_{n}x{ci}x{h}x{w}_o{co}k{k}s{s}p{p}",
                lambda x, w, b, s=s, p=p: F.conv2d(x, w, b, stride=s, padding=p),
                dict(x=rand(n, ci, h, w), w=rand(co, ci, k, k) / (ci * k * k) ** 0.5, b=rand(co)), stride=s, padding=p)
    for n, ci, h, w, co, k, s, p, op in [(1, 3, 5, 4, 1, 9, 2, 4, 1), (1, 4, 4, 5, 1, 9, 3, 4, 2), (2, 3, 5, 5, 4, 4, 2, 1, 0), (1, 2, 4, 4, 2, 9, 4, 4, 3)]:
        book.op(f"conv_transpose2d_{n}x{ci}x{h}x{w}_o{co}k{k}s{s}p{p}op{op}",
                lambda x, w, b, s=s, p=p, op=op: F.conv_transpose2d(x, w, b, stride=s, padding=p, output_padding=op),
                dict(x=rand(n, ci, h, w), w=rand(ci, co, k, k) / (ci * k * k) ** 0.5, b=rand(co)), stride=s, padding=p, output_padding=op)
    for r in (2, 3, 4):
        book.op(f"pixel_shuffle_r{r}", lambda x, r=r: F.pixel_shuffle(x, r), dict(x=rand(2, 3 * r * r, 4, 5)), upscale_factor=r)
    for k, s in ((2, 2), (3, 2)):
        book.op(f"max_pool2d_k{k}s{s}", lambda x, k=k, s=s: F.max_pool2d(x, k, s), dict(x=rand(2, 3, 9, 8)), kernel=k, stride=s)
        book.op(f"avg_pool2d_k{k}s{s}", lambda x, k=k, s=s: F.avg_pool2d(x, k, s), dict(x=rand(2, 3, 9, 8)), kernel=k, stride=s)
    book.op("global_avg_pool2d", lambda x: x.mean((2, 3)), dict(x=rand(2, 5, 7, 6)))
    for r in (2, 3, 4):
        book.op(f"upsample_nearest_r{r}", lambda x, r=r: F.interpolate(x, scale_factor=r, mode="nearest"), dict(x=rand(1, 3, 5, 4)), scale=r)
        book.op(f"upsample_bilinear_r{r}", lambda x, r=r: F.interpolate(x, scale_factor=r, mode="bilinear", align_corners=False), dict(x=rand(1, 3, 5, 4)), scale=r)
    return book


def activation():
    book = Book()
    x = torch.cat([rand(3, 40) * 3, torch.tensor([[-100.0, -30.0, -1e-6, 0.0, 1e-6, 30.0, 100.0] + [0.5] * 33])])
    for name, fn in dict(sigmoid=torch.sigmoid, tanh=torch.tanh, relu=F.relu, silu=F.silu, gelu=F.gelu, softplus=F.softplus, elu=F.elu).items():
        book.op(name, fn_kw(fn), dict(x=x))
    book.op("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), dict(x=x))
    for slope in (0.01, 0.2):
        book.op(f"leaky_relu_{slope}", lambda x, slope=slope: F.leaky_relu(x, slope), dict(x=x), negative_slope=slope)
    book.op("prelu_per_channel", lambda x, w: F.prelu(x, w), dict(x=rand(2, 6, 5, 4), w=rand(6) * 0.3))
    book.op("softmax", lambda x: F.softmax(x, dim=1), dict(x=rand(6, 11) * 4))
    book.op("log_softmax", lambda x: F.log_softmax(x, dim=1), dict(x=rand(6, 11) * 4))
    return book


def elementwise():
    """Products, exp and log, and losses that are put together from them."""
    book = Book()
    for shape in [(1, 1), (7, 3), (2, 3, 9, 8)]:
        tag = "x".join(map(str, shape))
        book.op(f"multiply_{tag}", lambda x, w: x * w, dict(x=rand(*shape), w=rand(*shape)))
        book.op(f"exp_{tag}", lambda x: torch.exp(x), dict(x=rand(*shape) * 3))
        book.op(f"log_{tag}", lambda x: torch.log(x), dict(x=torch.exp(rand(*shape) * 3)))
        book.op(f"mean_{tag}", lambda x: x.mean(), dict(x=rand(*shape)))
        book.op(f"log_cosh_{tag}", lambda x, t: torch.log(torch.cosh(x - t)).mean(), dict(x=rand(*shape), t=rand(*shape)), ["x"])
    return book


def fn_kw(fn):
    return lambda x: fn(x)


def loss():
    book = Book()
    for shape in [(1, 1), (7, 3), (2, 3, 9, 8)]:
        tag, x, t = "x".join(map(str, shape)), rand(*shape), rand(*shape)
        book.op(f"mse_{tag}", lambda x, t: F.mse_loss(x, t), dict(x=x, t=t), ["x"])
        book.op(f"mae_{tag}", lambda x, t: F.l1_loss(x, t), dict(x=x, t=t), ["x"])
        book.op(f"huber_{tag}", lambda x, t: F.huber_loss(x, t, delta=0.5), dict(x=x, t=t), ["x"], delta=0.5)
        book.op(f"charbonnier_{tag}", lambda x, t: torch.sqrt((x - t) ** 2 + 1e-6).mean(), dict(x=x, t=t), ["x"], epsilon=1e-3)
        p, labels = torch.sigmoid(rand(*shape)), (rand(*shape) > 0).double()
        book.op(f"bce_{tag}", lambda x, t: F.binary_cross_entropy(x, t), dict(x=p, t=labels), ["x"])
        book.op(f"bce_with_logits_{tag}", lambda x, t: F.binary_cross_entropy_with_logits(x, t), dict(x=x * 10, t=labels), ["x"])
    for n, classes in [(1, 2), (9, 10), (33, 100)]:
        labels = torch.randint(classes, (n,)).double()
        for smoothing in (0.0, 0.1):
            book.op(f"cross_entropy_{n}x{classes}_ls{smoothing}",
                    lambda x, t, s=smoothing: F.cross_entropy(x, t.long(), label_smoothing=s),
                    dict(x=rand(n, classes) * 5, t=labels), ["x"], label_smoothing=smoothing)
    return book


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_weight_decay": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.05)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.01)),
    "adam": (torch.optim.Adam, dict(lr=0.01)),
    "adamw": (torch.optim.AdamW, dict(lr=0.01, weight_decay=0.05)),
}


def optimizer():
    """p0, then ten given gradients g (10, n), and the parameter after each step, p (10, n)."""
    book = Book()
    for name, (kind, args) in OPTIMIZERS.items():
        p = nn.Parameter(rand(23).float().double())
        g = rand(10, 23).float().double()
        start, seen, opt = p.detach().clone(), [], kind([p], **args)
        for row in g:
            p.grad = row.clone()
            opt.step()
            seen.append(p.detach().clone())
        book.put(name, dict(p0=start, g=g, p=torch.stack(seen)), **args)
    return book


def trajectory(book, case, net, batches, loss_fn, name, steps):
    """Initial parameters, every batch, the loss before each step, final parameters."""
    kind, args = OPTIMIZERS[name]
    tensors = {f"init.{k}": v.detach().clone() for k, v in net.named_parameters()}
    opt, losses = kind(net.parameters(), **args), []
    for x, t in batches:
        opt.zero_grad()
        loss_value = loss_fn(net(x), t)
        loss_value.backward()
        opt.step()
        losses.append(loss_value.item())
    tensors.update({f"final.{k}": v for k, v in net.named_parameters()})
    tensors.update(x=torch.stack([x for x, _ in batches]), t=torch.stack([t for _, t in batches]), losses=losses)
    book.put(case, tensors, optimizer=name, steps=steps, **args)


def f32(net):
    for p in net.parameters():
        p.data = p.data.float().double()
    return net


def training():
    """Whole training runs: the runtime must follow the losses and land on the final weights."""
    book = Book()
    for opt in ("sgd", "sgd_momentum", "adam", "adamw"):
        mlp = f32(nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 5)))
        data = [(rand(8, 12).float().double(), torch.randint(5, (8,)).double()) for _ in range(20)]
        trajectory(book, f"mlp_cross_entropy_{opt}", mlp, data, lambda y, t: F.cross_entropy(y, t.long()), opt, 20)
    xor = f32(nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 1)))
    points, labels = torch.tensor([[0., 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([[0.], [1], [1], [0]])
    trajectory(book, "mlp_xor_bce_adam", xor, [(points, labels)] * 30, F.binary_cross_entropy_with_logits, "adam", 30)

    patches = [(torch.rand(2, 1, 8, 8).float().double(), torch.rand(2, 1, 16, 16).float().double()) for _ in range(10)]
    espcn = f32(nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 3, padding=1), nn.PixelShuffle(2)))
    trajectory(book, "espcn_mse_adam", espcn, patches, F.mse_loss, "adam", 10)
    fsrcnn = f32(nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.PReLU(8), nn.Conv2d(8, 4, 1), nn.PReLU(4), nn.Conv2d(4, 4, 3, padding=1), nn.PReLU(4), nn.Conv2d(4, 8, 1), nn.PReLU(8),
                               nn.ConvTranspose2d(8, 1, 9, stride=2, padding=4, output_padding=1)))
    trajectory(book, "fsrcnn_mae_adam", fsrcnn, patches, F.l1_loss, "adam", 10)

    class Residual(nn.Module):  # conv head, one residual block, pixel shuffle, bilinear skip
        def __init__(self):
            super().__init__()
            self.head, self.a, self.b, self.tail = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)

        def forward(self, x):
            h = self.head(x)
            h = h + self.b(F.silu(self.a(h)))
            return F.pixel_shuffle(self.tail(h), 2) + F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    colour = [(torch.rand(2, 3, 7, 9).float().double(), torch.rand(2, 3, 14, 18).float().double()) for _ in range(10)]
    trajectory(book, "residual_charbonnier_adamw", f32(Residual()), colour, lambda y, t: torch.sqrt((y - t) ** 2 + 1e-6).mean(), "adamw", 10)
    return book


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("out")
    args.add_argument("--seed", type=int, default=7)
    args.add_argument("--only", help="one of the files")
    args = args.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for make in (linear_algebra, convolution, activation, elementwise, loss, optimizer, training):
        if args.only not in (None, make.__name__):
            continue
        torch.manual_seed(args.seed)
        make().save(out / f"{make.__name__}.safetensors")


if __name__ == "__main__":
    main()
