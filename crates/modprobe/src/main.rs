//! `modprobe`: see the library of the same name.

fn main() -> std::process::ExitCode {
    modcli::run("modprobe", modprobe::run)
}
