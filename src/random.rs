//! Draws: functions of their keys in 32-bit integers, so that kernels draw the same bit for bit; and a stream of them where only
//! the processor draws.

/// Hashes four words to four words: `pcg4d` of Jarzynski and Olano, "Hash Functions for GPU Rendering", Journal of
/// Computer Graphics Techniques 9(3), 2020.
///
/// It is a bijection of 128 bits. The lower bits of a lane are a little weaker than the upper ones.
pub fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] = v.map(|a| a.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    x = x.wrapping_add(y.wrapping_mul(w));
    y = y.wrapping_add(z.wrapping_mul(x));
    z = z.wrapping_add(x.wrapping_mul(y));
    w = w.wrapping_add(y.wrapping_mul(z));
    [x, y, z, w] = [x, y, z, w].map(|a| a ^ (a >> 16));
    x = x.wrapping_add(y.wrapping_mul(w));
    y = y.wrapping_add(z.wrapping_mul(x));
    z = z.wrapping_add(x.wrapping_mul(y));
    w = w.wrapping_add(y.wrapping_mul(z));
    [x, y, z, w]
}

/// Hashes one word to one word: `pcg` (RXS-M-XS) of the same paper. A bijection of 32 bits.
pub fn pcg(v: u32) -> u32 {
    let state = v.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

/// A random word as a number in [0, 1), of 24 bits.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 / (1 << 24) as f32
}

/// A standard normal number from two random words (Box and Muller 1958).
pub fn normal(a: u32, b: u32) -> f32 {
    let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
    radius * (std::f32::consts::TAU * unit(b)).cos()
}

/// A linear congruential generator (Knuth's MMIX), of which the upper bits are used.
pub struct Draws(u64);

impl Draws {
    /// Draws that follow from a seed.
    pub fn new(seed: u64) -> Self {
        let mut draws = Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d);
        draws.word();
        draws
    }

    /// 31 bits.
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// In `from ..= to`.
    pub fn size(&mut self, from: usize, to: usize) -> usize {
        from + self.word() as usize % (to - from + 1)
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.size(0, from.len() - 1)]
    }

    /// About normal, mean 0, deviation 1, between -3 and 3.
    pub fn value(&mut self) -> f32 {
        (0..3).map(|_| self.word() as f32 / 1_073_741_824.0 - 1.0).sum()
    }

    /// Many of [`Draws::value`].
    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}
