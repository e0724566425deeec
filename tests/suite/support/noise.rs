//! Draws that repeat.

/// A linear congruential generator.
pub struct Noise(pub u64);

impl Noise {
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// In `from ..= to`.
    pub fn size(&mut self, from: usize, to: usize) -> usize {
        from + self.word() as usize % (to - from + 1)
    }

    /// About normal, mean 0, deviation 1.
    pub fn value(&mut self) -> f32 {
        (0..3).map(|_| self.word() as f32 / 2_147_483_648.0 * 2.0 - 1.0).sum()
    }

    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}
