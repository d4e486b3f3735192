// Everything with a data-help explains itself: on hover, on focus, on a long press.
const REST_MS = 450;

export function explainEverything(tip) {
  let timer = 0;
  const hide = () => {
    clearTimeout(timer);
    tip.hidden = true;
  };
  const show = (element) => {
    tip.textContent = element.dataset.help;
    tip.hidden = false;
    const box = element.getBoundingClientRect();
    const left = Math.min(Math.max(box.left, 8), window.innerWidth - tip.offsetWidth - 8);
    const below = box.bottom + 8;
    const fits = below + tip.offsetHeight < window.innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${fits ? below : Math.max(8, box.top - tip.offsetHeight - 8)}px`;
  };
  const later = (event) => {
    hide();
    const element = event.target.closest?.("[data-help]");
    if (element) timer = setTimeout(() => show(element), REST_MS);
  };
  document.addEventListener("pointerover", later);
  document.addEventListener("pointerdown", later); // a long press
  for (const end of ["pointerup", "pointercancel", "scroll"]) {
    document.addEventListener(end, hide, { capture: true, passive: true });
  }
  document.addEventListener("focusin", (event) => {
    const element = event.target.closest?.("[data-help]");
    if (element?.matches(":focus-visible")) show(element);
    else hide();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("click", (event) => {
    const element = event.target.closest?.(".why");
    if (element) show(element);
  });
}
