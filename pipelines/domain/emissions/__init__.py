"""Activity data to tonnes: factor selection and arithmetic, without files."""
