"""Skills: folders of instructions, scripts and references, in the open Agent Skills format. Text that is given to a
model, files that are run inside the walls; nothing of them loosens anything."""
