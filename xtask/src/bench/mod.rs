//! What our tools cost beside kmod's: in time, and for the tool that starts often in what can be counted.

mod cost;
mod depmod;
mod libkmod;
mod modprobe;
mod queries;
mod trees;

use anyhow::{Result, bail};

pub use cost::measure;
pub use modprobe::budget;

/// Options: `depmod`, `libkmod`, `modprobe` or `queries`, and what each of them takes.
pub fn run(options: &[&str]) -> Result<()> {
    match options {
        ["depmod", rest @ ..] => depmod::run(rest),
        ["libkmod", rest @ ..] => libkmod::run(rest),
        ["modprobe", rest @ ..] => modprobe::run(rest),
        ["queries"] => queries::run(),
        _ => bail!("bench what? There are: depmod, libkmod, modprobe, queries"),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(below), values.get(above)) {
        (Some(below), Some(above)) => f64::midpoint(*below, *above),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
        assert!(median(Vec::new()).is_nan());
    }
}
