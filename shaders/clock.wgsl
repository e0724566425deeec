// What differs from step to step: graph::Clock, one 256-byte entry per step of a submission.
struct Clock {
    step: u32,
    seed: u32,
    epoch: u32,
    offset: u32,
    count: u32,
    learning_rate: f32,
    loss_scale: f32,
    slot: u32,
}
@group(1) @binding(0) var<uniform> clock: Clock;
