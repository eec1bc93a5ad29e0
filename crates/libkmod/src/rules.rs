//! What modutils.d says of what may be loaded, and which commands are run around it. It is read for every load: whoever
//! edits it need not restart udev.

use modload::{Modutils, Silent};
use modstate::Places;
use modstate::rules::Rules;

/// Calls `with` with the rules of this system. What is wrong with the files is the tools' to report.
pub(crate) fn with<T>(with: impl FnOnce(&Rules) -> T) -> T {
    let places = Places::of_system();
    let modutils = Modutils::new(&places);
    with(modutils.config(&Silent).rules())
}
