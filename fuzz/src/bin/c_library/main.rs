//! The functions of the C library in any order, on any world, as C calls them: with handles that are valid, with NULL,
//! and with entries of lists of another kind. `cargo xtask fuzz c_library` runs it under AddressSanitizer, which also
//! tells what was never given back.
//!
//! The library asks the running kernel, so this runs only where that is a made one: see [`world::SANDBOX`].
#![no_main]

mod c;
mod calls;
mod handles;
mod world;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

use handles::Handles;
use world::World;

/// Calls of one run.
const MOST_CALLS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(world) = World::of(&mut input) else { return };
    let mut handles = Handles::default();
    for _ in 0..MOST_CALLS {
        if input.is_empty() || calls::one(&mut input, &world, &mut handles).is_err() {
            break;
        }
    }
    handles.give_back();
});
