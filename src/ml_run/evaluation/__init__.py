"""From predictions to scores, comparisons, slices and mistakes: of our models, and of anybody's."""
