"""What may leave a member's own circle: primary rules and the gate."""
