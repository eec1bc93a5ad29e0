//! `rmmod`: see the library of the same name.

fn main() -> std::process::ExitCode {
    modcli::run("rmmod", rmmod::run)
}
