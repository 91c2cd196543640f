//! What people see: HTML, escaped, in their language.
