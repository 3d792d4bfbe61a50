//! Decides whether the dashboard is built into the binary: it is when `dashboard/dist` is there.
//!
//! A plain `cargo build` must work without Node, so an absent dashboard is a warning, and the page
//! at `/` names the command that builds it.

use std::path::Path;

fn main() {
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard");
    let dist = dashboard.join("dist");
    let is_built = dist.join("index.html").is_file();
    let mut lines = vec![
        "cargo:rerun-if-changed=build.rs".to_owned(),
        // They are read by a macro, which cargo does not see.
        "cargo:rerun-if-changed=../migrations".to_owned(),
        "cargo:rustc-check-cfg=cfg(dashboard)".to_owned(),
    ];
    if is_built {
        lines.push(format!("cargo:rerun-if-changed={}", dist.display()));
        lines.push("cargo:rustc-cfg=dashboard".to_owned());
    } else {
        // A path that does not exist would run this, and build the crate, every time.
        if dashboard.is_dir() {
            lines.push(format!("cargo:rerun-if-changed={}", dashboard.display()));
        }
        lines.push(
            "cargo:warning=the dashboard is not built in: run `cargo xtask dashboard`, then build \
             again"
                .to_owned(),
        );
    }
    let text = lines.join("\n") + "\n";
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())
        .expect("cargo reads what a build script prints");
}
