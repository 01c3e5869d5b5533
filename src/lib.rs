//! callwarden: a daemon that ends phone calls which outstay their time limit.
