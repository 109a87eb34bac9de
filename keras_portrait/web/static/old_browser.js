// Only browsers without JavaScript modules run this: they cannot run the rest.
document.getElementById("old").hidden = false;
document.getElementById("actions").hidden = true;
document.getElementById("settings").hidden = true;
