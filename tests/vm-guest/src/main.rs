//! The guest's init; see the library.

fn main() -> std::process::ExitCode {
    vm_guest::main()
}
