//! What befalls a low-resolution picture before a network sees it.
//!
//! Pictures that people have were blurred by a lens, shrunk by some program, sharpened, are noisy and were saved as JPEG,
//! often more than once. A [`Degradation`] says how often and how much; [`Degradation::draw`] makes a list of [`Stage`]s
//! for one picture, which then happen one after the other. The model is that of K. Zhang et al., "Designing a Practical
//! Degradation Model for Deep Blind Image Super-Resolution" (BSRGAN), 2021, and X. Wang et al., "Real-ESRGAN", 2021: one or
//! two rounds of blur, resize, sharpening, noise and JPEG. Unlike there a stage is often left out, so that the mild
//! pictures, which are the most frequent, are learned as well as the bad ones.

mod stage;

use serde::{Deserialize, Serialize};

use crate::image::resize::Kernel;
use crate::{Error, Result, ranges};
pub(super) use stage::Stage;

/// How pictures are degraded. Stages happen in the order of the fields, each with its own probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Degradation {
    /// Share of pictures that are reduced by bicubic and left alone.
    pub clean: f32,
    /// Share of the others that go through two rounds; the rest through one.
    pub twice: f32,
    /// Before each resize.
    pub blur: Blur,
    /// How pictures are reduced.
    pub resize: Resize,
    /// After each resize.
    pub sharpen: Sharpen,
    /// After that.
    pub noise: Noise,
    /// Last.
    pub jpeg: Jpeg,
}

/// Blur by a Gaussian, or by a low pass that leaves rings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// How often, 0 to 1.
    pub probability: f32,
    /// Standard deviation, pixels of the picture that is blurred: lowest and highest, 0.1 to 20.
    pub sigma: [f32; 2],
    /// Share of the blurs that are Gaussians with two different axes, at an angle.
    pub anisotropic: f32,
    /// Share of the blurs that are a windowed sinc along both axes.
    pub sinc: f32,
}

/// How often each kernel reduces the picture, as weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resize {
    /// Keys' cubic.
    pub bicubic: f32,
    /// Mean of the covered pixels.
    pub area: f32,
    /// Triangle.
    pub bilinear: f32,
    /// Three lobes.
    pub lanczos: f32,
    /// One pixel of many.
    pub nearest: f32,
    /// Size of the picture between two rounds in sizes of the low picture: lowest and highest, 0.25 to 8.
    pub between: [f32; 2],
}

/// Unsharp mask: `v + amount (v - blurred v)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharpen {
    /// How often, 0 to 1.
    pub probability: f32,
    /// Lowest and highest amount, 0 to 5.
    pub amount: [f32; 2],
    /// Standard deviation of its blur, pixels: lowest and highest, 0.1 to 20.
    pub sigma: [f32; 2],
}

/// Normally distributed noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// How often, 0 to 1.
    pub probability: f32,
    /// Standard deviation in units of 0..255: lowest and highest.
    pub sigma: [f32; 2],
    /// Share that is the same in all channels.
    pub grey: f32,
    /// Share whose variance grows with brightness, as that of photons does (Poisson noise by its normal approximation);
    /// `sigma` is then that of mid-grey.
    pub poisson: f32,
}

/// JPEG and back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jpeg {
    /// How often, 0 to 1.
    pub probability: f32,
    /// Lowest and highest quality, 1 to 100.
    pub quality: [u8; 2],
    /// Share with chroma at half size (4:2:0); the others are 4:4:4.
    pub subsampled: f32,
}

impl Default for Degradation {
    fn default() -> Self {
        Degradation {
            clean: 0.1,
            twice: 0.15,
            blur: Blur::default(),
            resize: Resize::default(),
            sharpen: Sharpen::default(),
            noise: Noise::default(),
            jpeg: Jpeg::default(),
        }
    }
}

impl Default for Blur {
    fn default() -> Self {
        Blur { probability: 0.3, sigma: [0.3, 2.5], anisotropic: 0.25, sinc: 0.1 }
    }
}

impl Default for Resize {
    fn default() -> Self {
        Resize { bicubic: 0.4, area: 0.2, bilinear: 0.1, lanczos: 0.2, nearest: 0.1, between: [0.8, 2.5] }
    }
}

impl Default for Sharpen {
    fn default() -> Self {
        Sharpen { probability: 0.2, amount: [0.2, 1.2], sigma: [0.5, 1.5] }
    }
}

impl Default for Noise {
    fn default() -> Self {
        Noise { probability: 0.3, sigma: [1.0, 15.0], grey: 0.3, poisson: 0.3 }
    }
}

impl Default for Jpeg {
    fn default() -> Self {
        Jpeg { probability: 0.5, quality: [25, 95], subsampled: 0.7 }
    }
}

const DEGRADE_STREAM: u32 = 0x4445_4752;

impl Degradation {
    /// Checks every number by the table of ranges, then what depends on several of them.
    ///
    /// # Errors
    /// At the first that is wrong, naming its key in a recipe.
    pub fn check(&self) -> Result<()> {
        const SECTION: &str = "data.degrade";
        let written = serde_json::to_value(self).map_err(|error| Error::key(SECTION, error.to_string()))?;
        ranges::check(&written, SECTION)?;
        let wrong = |key: &str, why: String| Err(Error::key(format!("{SECTION}.{key}"), why));
        let Degradation { blur, resize, sharpen, noise, jpeg, .. } = self;
        let bounds = [
            ("blur.sigma", blur.sigma),
            ("resize.between", resize.between),
            ("sharpen.amount", sharpen.amount),
            ("sharpen.sigma", sharpen.sigma),
            ("noise.sigma", noise.sigma),
            ("jpeg.quality", jpeg.quality.map(f32::from)),
        ];
        if let Some((key, [low, high])) = bounds.into_iter().find(|(_, [low, high])| low > high) {
            return wrong(key, format!("the lowest, {low}, is above the highest, {high}; put it first"));
        }
        if blur.anisotropic + blur.sinc > 1.0 {
            return wrong("blur", "anisotropic and sinc are shares of one whole; lower one".into());
        }
        if resize.weights().iter().all(|(_, weight)| *weight == 0.0) {
            return wrong("resize", "all weights of kernels are 0; raise one".into());
        }
        Ok(())
    }

    /// What happens to one picture on its way to `low` (width, height) pixels; nothing: it is one of the clean
    /// ones. `key` says with which seed, which time and which picture.
    pub(super) fn draw(&self, key: [u32; 3], low: [usize; 2]) -> Option<Vec<Stage>> {
        let mut draws = Draws { key, count: 0 };
        if draws.chance(self.clean) {
            return None;
        }
        let mut stages = Vec::new();
        if draws.chance(self.twice) {
            let factor = draws.between(self.resize.between);
            // `nearest` moves a picture by up to half a pixel: once, or pairs no longer lie over each other.
            let resize = Resize { nearest: 0.0, bicubic: self.resize.bicubic + self.resize.nearest, ..self.resize };
            let between = low.map(|side| ((side as f32 * factor) as usize).max(1));
            Degradation { resize, ..*self }.round(&mut draws, between, &mut stages);
        }
        self.round(&mut draws, low, &mut stages);
        Some(stages)
    }

    /// Blur, resize to `size`, sharpening, noise, JPEG: each or not.
    fn round(&self, draws: &mut Draws, size: [usize; 2], stages: &mut Vec<Stage>) {
        let Degradation { blur, resize, sharpen, noise, jpeg, .. } = self;
        if draws.chance(blur.probability) {
            let (kind, sigma) = (draws.unit(), draws.between(blur.sigma));
            stages.push(if kind < blur.sinc {
                Stage::Ring { cutoff: draws.between([0.35, 0.95]) }
            } else if kind < blur.sinc + blur.anisotropic {
                let across = draws.between([blur.sigma[0].min(sigma), sigma]);
                Stage::Slant { along: sigma, across, angle: draws.between([-1.0, 1.0]) * std::f32::consts::FRAC_PI_4 }
            } else {
                Stage::Blur { sigma }
            });
        }
        stages.push(Stage::Resize { size, kernel: resize.pick(draws.unit()) });
        if draws.chance(sharpen.probability) {
            stages.push(Stage::Sharpen { amount: draws.between(sharpen.amount), sigma: draws.between(sharpen.sigma) });
        }
        if draws.chance(noise.probability) {
            let sigma = draws.between(noise.sigma);
            let (grey, poisson) = (draws.chance(noise.grey), draws.chance(noise.poisson));
            stages.push(Stage::Noise { sigma, grey, poisson, seed: draws.word() });
        }
        stages.push(Stage::Round);
        if draws.chance(jpeg.probability) {
            let [low, high] = jpeg.quality.map(u32::from);
            let quality = (low + draws.word() % (high - low + 1)) as u8;
            stages.push(Stage::Jpeg { quality, subsampled: draws.chance(jpeg.subsampled) });
        }
    }
}

impl Resize {
    fn weights(&self) -> [(Kernel, f32); 5] {
        [
            (Kernel::Bicubic, self.bicubic),
            (Kernel::Area, self.area),
            (Kernel::Bilinear, self.bilinear),
            (Kernel::Lanczos, self.lanczos),
            (Kernel::Nearest, self.nearest),
        ]
    }

    /// The kernel at `unit`, in [0, 1), of the whole of all weights.
    fn pick(&self, unit: f32) -> Kernel {
        let weights = self.weights();
        let mut left = unit * weights.iter().map(|(_, weight)| weight).sum::<f32>();
        for (kernel, weight) in weights {
            left -= weight;
            if left < 0.0 {
                return kernel;
            }
        }
        Kernel::Bicubic
    }
}

/// Random numbers that follow from the key and how many were drawn before.
struct Draws {
    key: [u32; 3],
    count: u32,
}

impl Draws {
    fn word(&mut self) -> u32 {
        let [a, b, c] = self.key;
        self.count += 1;
        crate::random::pcg4d([a, b, c, DEGRADE_STREAM.wrapping_add(self.count)])[0]
    }

    fn unit(&mut self) -> f32 {
        crate::random::unit(self.word())
    }

    fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    fn between(&mut self, [low, high]: [f32; 2]) -> f32 {
        low + (high - low) * self.unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(degradation: &Degradation, count: u32) -> Vec<Option<Vec<Stage>>> {
        (0..count).map(|picture| degradation.draw([7, 2, picture], [24, 20])).collect()
    }

    #[test]
    fn stages_come_as_often_as_asked() {
        let degradation = Degradation { clean: 0.2, twice: 0.25, ..Degradation::default() };
        let all = drawn(&degradation, 8000);
        let degraded: Vec<&Vec<Stage>> = all.iter().flatten().collect();
        let near = |count: usize, of: usize, share: f32, what: &str| {
            let found = count as f32 / of as f32;
            assert!((found - share).abs() < 0.03, "{what}: {found} and not {share}");
        };
        near(all.len() - degraded.len(), all.len(), 0.2, "clean");
        let resizes = |stages: &[Stage]| stages.iter().filter(|s| matches!(s, Stage::Resize { .. })).count();
        let once: Vec<&&Vec<Stage>> = degraded.iter().filter(|stages| resizes(stages) == 1).collect();
        near(degraded.len() - once.len(), degraded.len(), 0.25, "twice");
        let share = |is: fn(&Stage) -> bool, share: f32, what: &str| {
            near(once.iter().filter(|stages| stages.iter().any(is)).count(), once.len(), share, what);
        };
        share(|s| matches!(s, Stage::Blur { .. } | Stage::Slant { .. } | Stage::Ring { .. }), 0.3, "blur");
        share(|s| matches!(s, Stage::Sharpen { .. }), 0.2, "sharpen");
        share(|s| matches!(s, Stage::Noise { .. }), 0.3, "noise");
        share(|s| matches!(s, Stage::Jpeg { .. }), 0.5, "jpeg");
        share(|s| matches!(s, Stage::Jpeg { subsampled: true, .. }), 0.35, "4:2:0");
        share(|s| matches!(s, Stage::Resize { kernel: Kernel::Nearest, .. }), 0.1, "nearest");
        share(|s| matches!(s, Stage::Resize { kernel: Kernel::Lanczos, .. }), 0.2, "Lanczos");
    }

    #[test]
    fn strengths_fill_their_ranges_and_follow_from_the_key() {
        let degradation = Degradation { clean: 0.0, ..Degradation::default() };
        let all = drawn(&degradation, 4000);
        assert_eq!(all, drawn(&degradation, 4000));
        assert_ne!(degradation.draw([7, 2, 1], [24, 20]), degradation.draw([7, 3, 1], [24, 20]), "another pass");
        assert_ne!(degradation.draw([7, 2, 1], [24, 20]), degradation.draw([8, 2, 1], [24, 20]), "another seed");
        let (mut qualities, mut sigmas) = (Vec::new(), Vec::new());
        for stage in all.iter().flatten().flatten() {
            match *stage {
                Stage::Jpeg { quality, .. } => qualities.push(f32::from(quality)),
                Stage::Noise { sigma, .. } => sigmas.push(sigma),
                _ => {}
            }
        }
        for (values, [low, high]) in [(qualities, [25.0, 95.0]), (sigmas, [1.0, 15.0])] {
            let (least, most) = values.iter().fold((f32::MAX, 0.0f32), |(l, m), &v| (l.min(v), m.max(v)));
            assert!(least >= low && most <= high, "{least} to {most}");
            assert!(least < low + 1.0 && most > high - 1.0, "{least} to {most}");
        }
    }

    #[test]
    fn the_last_resize_makes_the_low_size() {
        for stages in drawn(&Degradation { twice: 1.0, ..Degradation::default() }, 500).iter().flatten() {
            let last = stages.iter().rev().find_map(|stage| match stage {
                Stage::Resize { size, .. } => Some(*size),
                _ => None,
            });
            assert_eq!(last, Some([24, 20]));
        }
    }

    #[test]
    fn wrong_shares_and_ranges_are_refused_by_name() {
        let good = Degradation::default();
        assert!(good.check().is_ok());
        let refused = |wrong: Degradation, key: &str| {
            let message = wrong.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        };
        refused(Degradation { clean: 1.5, ..good }, "degrade.clean");
        refused(Degradation { twice: f32::NAN, ..good }, "degrade.twice");
        refused(Degradation { blur: Blur { sigma: [2.0, 1.0], ..good.blur }, ..good }, "degrade.blur.sigma");
        refused(Degradation { blur: Blur { sinc: 0.9, ..good.blur }, ..good }, "anisotropic and sinc");
        refused(Degradation { noise: Noise { sigma: [-1.0, 1.0], ..good.noise }, ..good }, "degrade.noise.sigma");
        refused(Degradation { jpeg: Jpeg { quality: [0, 50], ..good.jpeg }, ..good }, "degrade.jpeg.quality");
        let resize = Resize { bicubic: 0.0, area: 0.0, bilinear: 0.0, lanczos: 0.0, nearest: 0.0, ..good.resize };
        refused(Degradation { resize, ..good }, "degrade.resize");
    }
}
