// Sets the chosen theme before anything is painted. A file of its own, because the policy allows no inline script.
try {
  const theme = localStorage.getItem("roomtone.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's theme it is.
}
