//! Lists as C walks through them: nodes in a ring, and the first one stands for the list.

use std::ffi::c_char;
use std::ptr;
use std::rc::Rc;

use crate::objects::Module;

/// A node of a list. All kinds of lists have nodes of this one type, so a function that is asked about a node of
/// another kind can tell.
pub struct Node {
    next: *mut Node,
    previous: *mut Node,
    entry: Entry,
}

/// What stands in a node.
pub(crate) enum Entry {
    /// A module.
    Module(Rc<Module>),
    /// A string of a module file.
    Info(Pair),
    /// A symbol and its checksum at the time when the module was built.
    Version(Symbol),
    /// A symbol that a module exports.
    Export(Symbol),
    /// A symbol that a module needs.
    Need {
        /// Which one.
        symbol: Symbol,
        /// How it is bound: a letter.
        bind: u8,
    },
    /// A section of a loaded module.
    Section {
        /// Its name.
        name: Text,
        /// Where it is.
        address: u64,
    },
}

/// A key and a value, in a text that all pairs of a list share.
pub(crate) struct Pair {
    text: Rc<Vec<u8>>,
    key_at: usize,
    value_at: usize,
}

impl Pair {
    pub(crate) fn key(&self) -> *const c_char {
        self.at(self.key_at)
    }

    pub(crate) fn value(&self) -> *const c_char {
        self.at(self.value_at)
    }

    fn at(&self, place: usize) -> *const c_char {
        self.text.get(place..).map_or(ptr::null(), |string| string.as_ptr().cast())
    }
}

/// Keys and values one behind the other, each with the NUL that C wants: a module has twenty and more of them, and
/// memory for each by itself would cost more than reading the file.
#[derive(Default)]
pub(crate) struct Pairs {
    text: Vec<u8>,
    /// Where keys and values begin.
    places: Vec<(usize, usize)>,
}

impl Pairs {
    /// With room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), places: Vec::new() }
    }

    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.add_made(key, |text| text.extend_from_slice(value));
    }

    /// The value is written behind the text that is there.
    pub(crate) fn add_made(&mut self, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let key_at = self.text.len();
        self.text.extend_from_slice(key);
        self.text.push(0);
        self.places.push((key_at, self.text.len()));
        value(&mut self.text);
        self.text.push(0);
    }

    pub(crate) fn entries(self) -> Vec<Entry> {
        let text = Rc::new(self.text);
        let pair = |&(key_at, value_at): &_| Entry::Info(Pair { text: Rc::clone(&text), key_at, value_at });
        self.places.iter().map(pair).collect()
    }
}

/// Text with the NUL that C wants.
pub(crate) struct Text(Box<[u8]>);

impl Text {
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text);
        bytes.push(0);
        Self(bytes.into())
    }

    pub(crate) fn pointer(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

/// A symbol and its checksum.
pub(crate) struct Symbol {
    pub(crate) name: Text,
    pub(crate) crc: u64,
}

impl Node {
    /// A list of these entries; NULL if there are none.
    pub(crate) fn list(entries: impl IntoIterator<Item = Entry>) -> *mut Self {
        let mut first: *mut Self = ptr::null_mut();
        for entry in entries {
            first = Self::append(first, entry);
        }
        first
    }

    /// A list of these modules.
    pub(crate) fn list_of_modules(modules: impl IntoIterator<Item = Rc<Module>>) -> *mut Self {
        Self::list(modules.into_iter().map(Entry::Module))
    }

    fn append(first: *mut Self, entry: Entry) -> *mut Self {
        let node = Box::into_raw(Box::new(Self { next: first, previous: first, entry }));
        if first.is_null() {
            // SAFETY: the node was made a line above, and nobody else has it.
            unsafe { ((*node).next, (*node).previous) = (node, node) };
            return node;
        }
        // SAFETY: `first` and the last node of its ring are nodes of ours, which `list` has not shown to anybody.
        unsafe {
            let last = (*first).previous;
            (*node).previous = last;
            (*last).next = node;
            (*first).previous = node;
        }
        first
    }

    /// The node behind this one, `None` if that is the first of the list.
    pub(crate) fn next(&self, list: *const Self) -> *const Self {
        if ptr::eq(self.next, list) { ptr::null() } else { self.next }
    }

    /// The node before this one, `None` if this one is the first of the list.
    pub(crate) fn previous(&self, list: *const Self) -> *const Self {
        if ptr::eq(self, list) { ptr::null() } else { self.previous }
    }

    /// The last node of the list that begins with this one.
    pub(crate) fn last(&self) -> *const Self {
        self.previous
    }

    /// What stands in it.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The modules of the list that begins with this node.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &Rc<Module>> {
        let mut next = Some(self);
        let nodes = std::iter::from_fn(move || {
            let node = next?;
            // SAFETY: the ring of a list that the caller holds is whole, and no node of it is borrowed mutably.
            next = unsafe { node.next(self).as_ref() };
            Some(node)
        });
        nodes.filter_map(|node| match &node.entry {
            Entry::Module(module) => Some(module),
            _ => None,
        })
    }

    /// Frees a list with all that stands in it.
    ///
    /// # Safety
    /// NULL, or any node of a list from [`Node::list`] that nobody uses any more.
    pub(crate) unsafe fn free(list: *mut Self) {
        let mut node = list;
        while !node.is_null() {
            // SAFETY: each node of the ring came from a box and is met once: the way ends where it began.
            let taken = unsafe { Box::from_raw(node) };
            node = if taken.next == list { ptr::null_mut() } else { taken.next };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    /// The bytes of a string in an entry that the test keeps.
    fn bytes_of<'a>(pointer: *const c_char) -> &'a [u8] {
        // SAFETY: called for strings of entries that live to the end of the test.
        if pointer.is_null() { &[] } else { unsafe { CStr::from_ptr(pointer) }.to_bytes() }
    }

    fn pairs(keys: &[&str]) -> *mut Node {
        let mut pairs = Pairs::default();
        keys.iter().for_each(|key| pairs.add(key.as_bytes(), b"v"));
        Node::list(pairs.entries())
    }

    fn key(node: *const Node) -> Option<String> {
        // SAFETY: a node of a list that the test has not freed, or NULL.
        match unsafe { node.as_ref() }?.entry() {
            Entry::Info(pair) => Some(String::from_utf8_lossy(bytes_of(pair.key())).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_list_is_walked_forwards_and_backwards_and_ends_at_its_first_node() {
        let list = pairs(&["a", "b", "c"]);
        // SAFETY: the list is freed at the end of the test.
        let first = unsafe { &*list };
        let second = first.next(list);
        assert_eq!(key(second).as_deref(), Some("b"));
        // SAFETY: as above.
        let third = unsafe { &*second }.next(list);
        assert_eq!(key(third).as_deref(), Some("c"));
        // SAFETY: as above.
        let third = unsafe { &*third };
        assert!(third.next(list).is_null());
        // As kmod has it: only the list's own first node ends the walk.
        assert!(ptr::eq(third.next(third), list));
        assert!(ptr::eq(third, first.last()));
        assert!(first.previous(list).is_null());
        assert_eq!(key(third.previous(list)).as_deref(), Some("b"));
        // SAFETY: nothing uses the list any more.
        unsafe { Node::free(list) };
    }

    #[test]
    fn a_list_of_nothing_is_null_and_one_of_one_ends_at_once() {
        assert!(pairs(&[]).is_null());
        let list = pairs(&["a"]);
        // SAFETY: the list is freed at the end of the test.
        let only = unsafe { &*list };
        assert!(only.next(list).is_null());
        assert!(ptr::eq(only.last(), only));
        // SAFETY: nothing uses the list any more.
        unsafe { Node::free(list) };
        // SAFETY: there is none.
        unsafe { Node::free(ptr::null_mut()) };
    }

    #[test]
    fn strings_hold_their_nul() {
        let mut pairs = Pairs::default();
        for (key, value) in [("key", ""), ("", "value"), ("a", "b=c")] {
            pairs.add(key.as_bytes(), value.as_bytes());
        }
        let strings = pairs.entries().iter().map(strings_of).collect::<Vec<_>>();
        assert_eq!(strings, [["key", ""], ["", "value"], ["a", "b=c"]]);
        assert_eq!(bytes_of(Text::new(b"name").pointer()), b"name");
    }

    fn strings_of(entry: &Entry) -> [String; 2] {
        let Entry::Info(pair) = entry else { return Default::default() };
        [pair.key(), pair.value()].map(|string| String::from_utf8_lossy(bytes_of(string)).into_owned())
    }
}
