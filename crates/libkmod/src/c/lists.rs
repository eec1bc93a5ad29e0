//! Walking through lists.

use std::ptr;

use crate::boundary::exported;
use crate::list::Node;

exported! {
    /// The node behind one, until the list ends.
    fn kmod_list_next(list: &Node, curr: &Node) -> *const Node, else ptr::null(); {
        curr.next(list)
    }

    /// The node before one, until the list begins.
    fn kmod_list_prev(list: &Node, curr: &Node) -> *const Node, else ptr::null(); {
        curr.previous(list)
    }

    /// The last node of a list.
    fn kmod_list_last(list: &Node) -> *const Node, else ptr::null(); {
        list.last()
    }
}
