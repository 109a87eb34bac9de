"""Paired training: photos, and what filters draw of them."""
