for (const viewer of document.querySelectorAll(".viewer")) {
  const frames = JSON.parse(viewer.querySelector("script").textContent);
  const [picture, slider, told] = ["img", "input", ".told"].map((name) => viewer.querySelector(name));
  const now = viewer.querySelector(".now");
  const show = () => {
    const frame = frames[slider.value];
    picture.src = frame.source;
    picture.alt = told.textContent = frame.told;
    slider.setAttribute("aria-valuetext", frame.told);
    if (now) {
      now.setAttribute("x1", frame.index + 0.5);
      now.setAttribute("x2", frame.index + 0.5);
      now.style.visibility = "visible";
    }
  };
  slider.addEventListener("input", show);
  for (const button of viewer.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      slider.value = button.value;
      show();
      picture.scrollIntoView({ block: "nearest" });
    });
  }
  show();
}
