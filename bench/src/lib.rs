//! What the benchmark's own orchestrator and participants share with the program that drives them.

pub mod steps3;
