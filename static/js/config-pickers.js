// A choice shows its page at once; typed text waits for Enter, and without script for the button.
const form = document.querySelector("[data-pickers]");

form?.addEventListener("change", (event) => {
  if (event.target.matches("select, [type=checkbox], #pick-symbol")) form.requestSubmit();
});

// What is empty stays out of the address, so that it can be read and sent to somebody.
form?.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
