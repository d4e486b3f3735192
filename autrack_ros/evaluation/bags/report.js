const frames = JSON.parse(document.getElementById("frames").textContent);
const slider = document.getElementById("slider");
const picture = document.getElementById("picture");
const told = document.getElementById("told");

function show() {
  const frame = frames[slider.value];
  picture.src = frame.source;
  picture.alt = told.textContent = frame.told;
  slider.setAttribute("aria-valuetext", frame.told);
}

slider.addEventListener("input", show);
for (const button of document.querySelectorAll("button[data-frame]")) {
  button.addEventListener("click", () => {
    slider.value = button.dataset.frame;
    show();
    picture.scrollIntoView({ block: "nearest" });
  });
}
show();
