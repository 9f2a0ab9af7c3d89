// Takes the key out of a one-time link, where no server or log sees it, and opens a session.

const message = document.getElementById("message");
const key = location.hash.slice(1);

async function logIn() {
  history.replaceState(null, "", location.pathname); // the key is not to stay in the history
  message.textContent = "Opening the page…";
  const answer = await fetch("login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key }),
  });
  if (answer.ok) {
    location.replace(location.pathname);
  } else {
    message.textContent =
      answer.status === 403
        ? "This link does not work: it was used already, or it is older than 10 minutes."
        : `The server answered ${answer.status}. Its log may say why.`;
  }
}

if (key) {
  logIn().catch(() => {
    message.textContent = "The server does not answer.";
  });
}

// A new link that is opened in the same tab changes nothing but the hash.
addEventListener("hashchange", () => location.reload());
