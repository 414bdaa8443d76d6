// Remembers the reader's language. Without this script the switch still works, for one page at a time.
(function () {
  "use strict";
  var KEY = "digital-cluster.language";
  var choices = document.querySelectorAll('input[name="language"]');

  function name(language) {
    var title = document.querySelector("title");
    document.documentElement.lang = language;
    document.title = title.getAttribute("data-" + language) || document.title;
  }

  function remembered() {
    try {
      return window.localStorage.getItem(KEY);
    } catch (refused) {
      return null; // storage can be switched off; then each page starts in Korean
    }
  }

  function remember(language) {
    try {
      window.localStorage.setItem(KEY, language);
    } catch (refused) {
      return; // as above
    }
  }

  var start = remembered();
  choices.forEach(function (choice) {
    if (choice.value === start) {
      choice.checked = true;
    }
    if (choice.checked) {
      name(choice.value);
    }
    choice.addEventListener("change", function () {
      name(choice.value);
      remember(choice.value);
    });
  });
})();
