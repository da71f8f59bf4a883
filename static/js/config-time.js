// The slider and the field are one number; moving one shows that version. Without script the button does it.
const FOCUS = "config-time-focus";
const form = document.querySelector("[data-time]");

if (form) {
  const { slide, at_version: field, was } = form.elements;
  slide.addEventListener("input", () => (field.value = slide.value));
  field.addEventListener("input", () => (slide.value = field.value));
  // Arrow keys move the slider step by step: the page follows when they rest, and gives the slider back its focus.
  let rest;
  form.addEventListener("change", ({ target }) => {
    clearTimeout(rest);
    if (target === slide) {
      sessionStorage.setItem(FOCUS, slide.name);
      rest = setTimeout(() => form.requestSubmit(), 350);
    } else if (target.matches("select, [type=checkbox]")) {
      form.requestSubmit();
    }
  });
  if (sessionStorage.getItem(FOCUS)) slide.focus({ preventScroll: true });
  sessionStorage.removeItem(FOCUS);

  // The address says what is looked at and nothing else, so that it can be read and sent to somebody.
  form.addEventListener("formdata", ({ formData }) => {
    if (formData.get("at_time")) formData.delete("at_version");
    formData.delete(slide.name);
    formData.delete(was.name);
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}
