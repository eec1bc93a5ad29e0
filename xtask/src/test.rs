//! `cargo xtask test`: every tier of tests, in the order in which a failure is cheapest to find.

use anyhow::Result;

use crate::{compliance, project, setup, shell, tidy};

/// All tiers; stops at the first that fails.
pub fn run() -> Result<()> {
    type Tier = fn() -> Result<()>;
    let tiers: [(&str, Tier); 4] = [
        ("setup: what the tests need", setup::run),
        ("tidy: rules of the source tree", tidy::run),
        ("unit and integration tests of every package", packages),
        ("compliance: depmod against kmod 30 and 34", || compliance::run(&["depmod"])),
    ];
    for (name, tier) in tiers {
        println!("== {name}");
        tier()?;
    }
    println!("all tiers passed");
    Ok(())
}

fn packages() -> Result<()> {
    shell::run(project::cargo().args(["test", "--workspace"]))
}
