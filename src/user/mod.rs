//! Who the resource owner is: local users, how they signed in, and how much that is worth.
