//! What a gate's table may say.
