# SPDX-License-Identifier: Apache-2.0
"""engine/core/rng.h in numpy: Philox4x32-10, addressed by (seed, purpose, epoch, id)."""

import numpy as np

PURPOSE_TEST = 8
MASK = np.uint64(0xFFFFFFFF)
U32 = np.uint64(32)


def blocks(seed, ident, count, epoch=0, purpose=PURPOSE_TEST):
    """The first `count` blocks of the stream: (count, 4) u32 words, held in u64."""
    c = [
        np.arange(count, dtype=np.uint64),
        np.full(count, ident & 0xFFFFFFFF, np.uint64),
        np.full(count, epoch, np.uint64),
        np.full(count, purpose << 24 | ident >> 32 & 0xFFFFFF, np.uint64),
    ]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c[0]
        p1 = np.uint64(0xCD9E8D57) * c[2]
        c = [
            (p1 >> U32) ^ c[1] ^ np.uint64(k0),
            p1 & MASK,
            (p0 >> U32) ^ c[3] ^ np.uint64(k1),
            p0 & MASK,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1)


def normal(seed, ident, count, epoch=0):
    """`count` calls of Philox::normal(), f64; each takes one whole block."""
    w = blocks(seed, ident, count, epoch)

    def uniform(a, b):
        hi, lo = (a >> np.uint64(5)).astype(np.float64), (b >> np.uint64(6)).astype(np.float64)
        return (hi * 67108864.0 + lo) * 2.0**-53

    u = 1.0 - uniform(w[:, 0], w[:, 1])
    return np.sqrt(-2.0 * np.log(u)) * np.cos(6.283185307179586 * uniform(w[:, 2], w[:, 3]))


def below(seed, ident, count, n, epoch=0):
    """`count` calls of Philox::below(n), i64."""
    w = blocks(seed, ident, -(-count // 4), epoch).reshape(-1)[:count]
    return ((w * np.uint64(n)) >> U32).astype(np.int64)
