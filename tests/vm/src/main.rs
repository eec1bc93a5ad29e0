//! The command; see the library.

fn main() -> std::process::ExitCode {
    vm::main()
}
