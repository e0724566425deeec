//! The tests, as one program: it is linked once, and its tests share the processor's cores.
//!
//! Beside it stand the few that need a process of their own: `declarations` counts every allocation, `faults` measures how
//! long a failing device is waited for.

mod support;

/// How random cases are drawn, and what a failure says.
mod properties;

/// What operators and networks compute: PyTorch's values, finite differences, the f64 CPU.
mod operators {
    mod finite_differences;
    mod goldens;
    mod networks;
    mod objective;
    mod verify;
}

/// What holds for the CPU and the GPU alike, and what devices may do to a run.
mod executors {
    mod contract;
    mod memory;
    mod mixed;
    mod repeats;
    mod robustness;
    mod state;
    mod training;
    mod tune;
}

/// Rows and pictures to learn from.
mod data {
    mod batch;
    mod folder;
    mod idx;
    mod procedural;
    mod rows;
    mod table;
}

/// Pictures read, scored, enlarged and written.
mod pictures {
    mod files;
    mod kinds;
    mod metadata;
    mod odd;
    mod png;
    mod protocol;
    mod stream;
    mod tiles;
}

/// Recipes, runs and checkpoints.
mod training {
    mod checkpoints;
    mod kill_loop;
    mod learning;
    mod ranges;
}

/// The program as people run it.
mod cli {
    mod compare;
    mod dry_run;
    mod explain;
    mod learn_classes;
    mod learn_tables;
    mod limits;
    mod outputs;
    mod pictures;
    mod pictures_table;
    mod resume;
    mod runs;
    mod tables;
    mod train;
    mod tune;
    mod upscale;
    mod verify;
}
