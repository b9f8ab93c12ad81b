"""The Backbone contract, its adapters, checkpoint families and strict loading."""
