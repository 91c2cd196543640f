//! mod_auth_openidc
