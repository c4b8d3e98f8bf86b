//! nearside
