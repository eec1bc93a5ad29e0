//! todo
use crate::catalog::Group;
/// todo
pub const GROUP: Group = Group::new("request", &[]);
