"""How the demo's backdrops and things look: nothing but shapes and colours."""
