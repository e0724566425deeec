//! Draws that repeat.

/// A linear congruential generator (Knuth's MMIX), of which the upper bits are used.
pub struct Noise(u64);

impl Noise {
    /// Draws that follow from a seed.
    pub fn new(seed: u64) -> Self {
        let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d);
        noise.word();
        noise
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

    /// Many of [`Noise::value`].
    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}
