"""Published weights of other projects become presets: `portrait-export import`."""
