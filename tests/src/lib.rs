//! Whole-system tests. `tests/run` is the one test command of the project.
//!
//! Here are the tests of the workspace's shape; the tests of running meshes are in `tests/system`, in Python, because they are driven by IRC
//! and XMPP clients from the package registries.
