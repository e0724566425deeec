//! The CPU executor: the formula of every operator in plain loops, generic over f32 and f64.
